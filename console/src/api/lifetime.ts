import { useMutation, useQuery } from "@tanstack/react-query";
import { api, body, onceOnly } from "./client";

export function useQuota() {
  return useQuery({
    queryKey: ["lifetime", "quota"],
    queryFn: () => body(api.GET("/v1/lifetime-calculations/quota")),
  });
}

/** Start one calculation of several drafts. */
export function useCalculate() {
  return useMutation({
    mutationFn: (ids: number[]) =>
      body(
        api.POST("/v1/lifetime-calculations", {
          params: { header: onceOnly() },
          body: { audience_ids: ids },
        }),
      ),
  });
}

export function useSend(audienceId: number) {
  return useMutation({
    mutationFn: (connectionIds: string[]) =>
      body(
        api.POST("/v1/audiences/{audience_id}/send", {
          params: { path: { audience_id: audienceId }, header: onceOnly() },
          body: { connection_ids: connectionIds },
        }),
      ),
  });
}
