import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { api, body } from "./client";
import type { components } from "./schema";
import type { DryRun } from "./types";

type Draft = components["schemas"]["Draft"];
type Edit = components["schemas"]["AudienceEdit"];

const KEPT_MS = 20_000;

/** Size, reach, words and warnings of a definition that is not stored; null: there is nothing to measure yet. */
export function usePreview(draft: Draft | null) {
  return useQuery({
    queryKey: ["preview", draft],
    queryFn: ({ signal }) => body(api.POST("/v1/audiences/preview", { body: draft as Draft, signal })),
    enabled: draft !== null,
    staleTime: KEPT_MS,
    placeholderData: keepPreviousData,
  });
}

/** Who would join and leave. */
export function useDryRun(id: number) {
  return useMutation({
    mutationFn: (edit: Edit) =>
      body(
        api.PATCH("/v1/audiences/{audience_id}", {
          params: { path: { audience_id: id }, query: { dry_run: true } },
          body: edit,
        }),
      ) as Promise<DryRun>,
    // It has changed nothing.
    meta: { isRead: true },
  });
}
