import { useMutation, useQuery } from "@tanstack/react-query";
import { LIVE_MS, WORKING_MS } from "./audiences";
import { api, body, ifMatch, onceOnly } from "./client";
import { isUnderWay } from "./jobs";
import type { components } from "./schema";

type Schemas = components["schemas"];

export function useAbTest(audienceId: number, isThere = true) {
  return useQuery({
    queryKey: ["ab-test", audienceId],
    queryFn: () =>
      body(api.GET("/v1/audiences/{audience_id}/ab-test", { params: { path: { audience_id: audienceId } } })),
    enabled: isThere,
    refetchInterval: LIVE_MS,
  });
}

export function useSplit(audienceId: number) {
  return useMutation({
    mutationFn: (test: Schemas["NewAbTest"]) =>
      body(
        api.POST("/v1/audiences/{audience_id}/ab-test", {
          params: { path: { audience_id: audienceId }, header: onceOnly() },
          body: test,
        }),
      ),
  });
}

export function useEndTest(audienceId: number) {
  return useMutation({
    mutationFn: (version: number) =>
      body(
        api.DELETE("/v1/audiences/{audience_id}/ab-test", {
          params: { path: { audience_id: audienceId }, header: ifMatch(version) },
        }),
      ),
  });
}

export function useOutcomes(audienceId: number) {
  return useQuery({
    queryKey: ["outcomes", audienceId],
    queryFn: () =>
      body(
        api.GET("/v1/audiences/{audience_id}/ab-test/outcomes", {
          params: { path: { audience_id: audienceId } },
        }),
      ).then((each) => each.items),
    refetchInterval: (asked) =>
      asked.state.data?.some((each) => isUnderWay(each.state)) ? WORKING_MS : LIVE_MS * 6,
  });
}

export function useMeasure(audienceId: number) {
  return useMutation({
    mutationFn: (asked: Schemas["NewMeasurement"]) =>
      body(
        api.POST("/v1/audiences/{audience_id}/ab-test/outcomes", {
          params: { path: { audience_id: audienceId }, header: onceOnly() },
          body: asked,
        }),
      ),
  });
}
