import { keepPreviousData, useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { api, body, ifMatch, onceOnly } from "./client";
import type { components, paths } from "./schema";
import type { Audience } from "./types";

type ListQuery = NonNullable<paths["/v1/audiences"]["get"]["parameters"]["query"]>;
type NewAudience = components["schemas"]["NewAudience"];
type AudienceEdit = components["schemas"]["AudienceEdit"];

const PAGE = 100;
/** How often what changes by itself is looked at again. */
export const LIVE_MS = 5_000;
export const WORKING_MS = 1_500;

/** Audiences page by page; figures are looked at again while they are shown. */
export function useAudiences(query: ListQuery) {
  return useInfiniteQuery({
    queryKey: ["audiences", query],
    queryFn: ({ pageParam, signal }) =>
      body(
        api.GET("/v1/audiences", { params: { query: { limit: PAGE, ...query, next: pageParam } }, signal }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    // Each turn reads every page that is loaded, so long lists are read less often.
    refetchInterval: (asked) => (asked.state.data?.pages.length ?? 1) * LIVE_MS,
  });
}

/** As options of a choice: the first hundred that fit the text. */
export function useAudienceChoices(query: ListQuery) {
  return useQuery({
    queryKey: ["audiences", "choices", query],
    queryFn: ({ signal }) =>
      body(api.GET("/v1/audiences", { params: { query: { limit: PAGE, ...query } }, signal })),
    placeholderData: keepPreviousData,
  });
}

export function useAudience(id: number) {
  return useQuery({
    queryKey: ["audience", id],
    queryFn: ({ signal }) =>
      body(api.GET("/v1/audiences/{audience_id}", { params: { path: { audience_id: id } }, signal })),
    refetchInterval: (asked) => (asked.state.data?.calculating ? WORKING_MS : LIVE_MS),
  });
}

export function useTags() {
  return useQuery({
    queryKey: ["tags"],
    queryFn: () => body(api.GET("/v1/tags")).then((each) => each.items),
  });
}

export function useCreateAudience() {
  return useMutation({
    mutationFn: (audience: NewAudience) =>
      body(api.POST("/v1/audiences", { params: { header: onceOnly() }, body: audience })),
  });
}

export function useEditAudience(id: number) {
  return useMutation({
    mutationFn: ({ version, edit }: { version: number; edit: AudienceEdit }) =>
      body(
        api.PATCH("/v1/audiences/{audience_id}", {
          params: { path: { audience_id: id }, header: ifMatch(version) },
          body: edit,
        }),
      ) as Promise<Audience>,
  });
}

/** What can be done to an audience as a whole. */
export type AudienceAct = "activate" | "deactivate" | "clone" | "delete" | "archive";

export function useAudienceAct() {
  return useMutation({
    mutationFn: async ({ id, version, act }: { id: number; version: number; act: AudienceAct }) => {
      const path = { audience_id: id };
      const params = { path, header: ifMatch(version) };
      switch (act) {
        case "activate":
          return body(api.POST("/v1/audiences/{audience_id}/activate", { params }));
        case "deactivate":
          return body(api.POST("/v1/audiences/{audience_id}/deactivate", { params }));
        case "archive":
          return body(api.POST("/v1/audiences/{audience_id}/archive", { params }));
        case "clone":
          return body(
            api.POST("/v1/audiences/{audience_id}/clone", { params: { path, header: onceOnly() } }),
          );
        case "delete":
          await body(api.DELETE("/v1/audiences/{audience_id}", { params }));
          return null;
      }
    },
  });
}

export function usePutTags(id: number) {
  return useMutation({
    mutationFn: ({ version, tags }: { version: number; tags: string[] }) =>
      body(
        api.PUT("/v1/audiences/{audience_id}/tags", {
          params: { path: { audience_id: id }, header: ifMatch(version) },
          body: { tags },
        }),
      ),
  });
}
