import { keepPreviousData, useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { LIVE_MS, WORKING_MS } from "./audiences";
import { api, body, onceOnly } from "./client";
import { isUnderWay } from "./jobs";
import type { components } from "./schema";

/** Exports, the latest first; of one audience, or all. */
export function useExports(audience?: number) {
  return useInfiniteQuery({
    queryKey: ["exports", audience],
    queryFn: ({ pageParam }) =>
      body(api.GET("/v1/exports", { params: { query: { ...(audience && { audience }), next: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: (asked) =>
      asked.state.data?.pages.some((page) => page.items.some((each) => isUnderWay(each.state)))
        ? WORKING_MS
        : LIVE_MS * 2,
  });
}

export function useStartExport() {
  return useMutation({
    mutationFn: (wanted: components["schemas"]["NewExport"]) =>
      body(api.POST("/v1/exports", { params: { header: onceOnly() }, body: wanted })),
  });
}

/** Fetches the file: asks for its address, which is good for minutes, and goes there. */
export function useDownload() {
  return useMutation({
    mutationFn: async (id: string) => {
      const found = await body(
        api.GET("/v1/exports/{export_id}/download", { params: { path: { export_id: id } } }),
      );
      window.location.assign(found.url);
      return found;
    },
    meta: { isRead: true },
  });
}

export function useCancelExport() {
  return useMutation({
    mutationFn: (id: string) =>
      body(api.POST("/v1/exports/{export_id}/cancel", { params: { path: { export_id: id } } })),
  });
}
