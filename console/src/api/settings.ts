import { useMutation, useQuery } from "@tanstack/react-query";
import { api, body, ifMatch, onceOnly } from "./client";
import type { Input } from "./types";

interface Known {
  id: string;
  version: number;
}

/** Who may sign in, and as what. */
export function usePeople() {
  return useQuery({
    queryKey: ["people"],
    queryFn: () => body(api.GET("/v1/people")).then((each) => each.items),
  });
}

export function useSaveWorkspace() {
  return useMutation({
    mutationFn: ({ known, name }: { known?: Known; name: string }) =>
      known
        ? body(
            api.PATCH("/v1/workspaces/{workspace_id}", {
              params: { path: { workspace_id: known.id }, header: ifMatch(known.version) },
              body: { name },
            }),
          )
        : body(api.POST("/v1/workspaces", { params: { header: onceOnly() }, body: { name } })),
  });
}

export function useDeleteWorkspace() {
  return useMutation({
    mutationFn: ({ id, version }: Known) =>
      body(
        api.DELETE("/v1/workspaces/{workspace_id}", {
          params: { path: { workspace_id: id }, header: ifMatch(version) },
        }),
      ),
  });
}

export function useCreateInput(workspaceId: string) {
  return useMutation({
    mutationFn: (input: { name: string; kind: Input["kind"] }) =>
      body(
        api.POST("/v1/workspaces/{workspace_id}/inputs", {
          params: { path: { workspace_id: workspaceId }, header: onceOnly() },
          body: input,
        }),
      ),
  });
}

export function useRotate(input: Input) {
  return useMutation({
    mutationFn: () =>
      body(
        api.POST("/v1/workspaces/{workspace_id}/inputs/{input_id}/rotate", {
          params: { path: { workspace_id: input.workspace_id, input_id: input.id } },
        }),
      ),
  });
}

export function useDeleteInput(input: Input) {
  return useMutation({
    mutationFn: () =>
      body(
        api.DELETE("/v1/workspaces/{workspace_id}/inputs/{input_id}", {
          params: {
            path: { workspace_id: input.workspace_id, input_id: input.id },
            header: ifMatch(input.version),
          },
        }),
      ),
  });
}
