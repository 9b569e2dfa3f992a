import { keepPreviousData, useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { LIVE_MS } from "./audiences";
import { api, body } from "./client";

export function useSizes(audienceId: number, days: number) {
  return useQuery({
    queryKey: ["sizes", audienceId, days],
    queryFn: () =>
      body(
        api.GET("/v1/audiences/{audience_id}/sizes", {
          params: { path: { audience_id: audienceId }, query: { days } },
        }),
      ),
    placeholderData: keepPreviousData,
    refetchInterval: LIVE_MS,
  });
}

export function useMembers(audienceId: number) {
  return useInfiniteQuery({
    queryKey: ["members", audienceId],
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/v1/audiences/{audience_id}/members", {
          params: { path: { audience_id: audienceId }, query: { limit: 50, next: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: LIVE_MS,
  });
}

export function useHistory(audienceId: number) {
  return useInfiniteQuery({
    queryKey: ["history", audienceId],
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/v1/audiences/{audience_id}/history", {
          params: { path: { audience_id: audienceId }, query: { limit: 50, next: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: LIVE_MS,
  });
}

export function useExplanation(audienceId: number, mpid: string | null) {
  return useQuery({
    queryKey: ["explanation", audienceId, mpid],
    queryFn: () =>
      body(
        api.GET("/v1/audiences/{audience_id}/explain", {
          params: { path: { audience_id: audienceId }, query: { mpid } },
        }),
      ),
    enabled: mpid !== null,
  });
}

export function useProfiles(asked: { type: string; value: string } | null) {
  return useQuery({
    queryKey: ["profiles", asked],
    queryFn: () =>
      body(
        api.GET("/v1/profiles", {
          params: { query: { identity_type: asked?.type, identity: asked?.value ?? "" } },
        }),
      ).then((each) => each.items),
    enabled: asked !== null,
  });
}

export function useProfile(mpid: string) {
  return useQuery({
    queryKey: ["profile", mpid],
    queryFn: () => body(api.GET("/v1/profiles/{mpid}", { params: { path: { mpid } } })),
    refetchInterval: LIVE_MS,
  });
}

/** The audiences that a user is in, with since when and until when. */
export function useMemberships(mpid: string) {
  return useQuery({
    queryKey: ["profile", mpid, "memberships"],
    queryFn: () =>
      body(api.GET("/v1/profiles/{mpid}/memberships", { params: { path: { mpid } } })).then(
        (each) => each.items,
      ),
    refetchInterval: LIVE_MS,
  });
}

/** Erases a user everywhere; the answer is the receipt. */
export function useErase() {
  return useMutation({
    mutationFn: (mpid: string) => body(api.DELETE("/v1/profiles/{mpid}", { params: { path: { mpid } } })),
  });
}
