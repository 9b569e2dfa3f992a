import { keepPreviousData, useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { LIVE_MS, WORKING_MS } from "./audiences";
import { api, body } from "./client";
import type { components } from "./schema";

type JobState = components["schemas"]["JobState"];

export function isUnderWay(state: JobState): boolean {
  return state === "queued" || state === "running";
}

export function useJobs(state?: JobState) {
  return useInfiniteQuery({
    queryKey: ["jobs", state],
    queryFn: ({ pageParam }) =>
      body(api.GET("/v1/jobs", { params: { query: { ...(state && { state }), next: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: LIVE_MS,
  });
}

export function useJob(id: string) {
  return useQuery({
    queryKey: ["job", id],
    queryFn: () => body(api.GET("/v1/jobs/{job_id}", { params: { path: { job_id: id } } })),
    refetchInterval: (asked) =>
      !asked.state.data || isUnderWay(asked.state.data.state) ? WORKING_MS : false,
  });
}

export function useJobAct() {
  return useMutation({
    mutationFn: ({ id, act }: { id: string; act: "cancel" | "restart" }) => {
      const params = { path: { job_id: id } };
      return act === "cancel"
        ? body(api.POST("/v1/jobs/{job_id}/cancel", { params }))
        : body(api.POST("/v1/jobs/{job_id}/restart", { params }));
    },
  });
}
