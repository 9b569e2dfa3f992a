import { useQuery } from "@tanstack/react-query";
import { api, body } from "./client";
import type { Input, Workspace } from "./types";

export interface WorkspaceInputs {
  workspace: Workspace;
  inputs: readonly Input[];
}

const KEPT_MS = 60_000;

export function useWorkspaces() {
  return useQuery({
    queryKey: ["workspaces"],
    queryFn: () => body(api.GET("/v1/workspaces")).then((each) => each.items),
    staleTime: KEPT_MS,
  });
}

/** Every workspace with its inputs. */
export function useWorkspaceInputs() {
  return useQuery({
    queryKey: ["workspaces", "inputs"],
    queryFn: async (): Promise<WorkspaceInputs[]> => {
      const { items } = await body(api.GET("/v1/workspaces"));
      const read = async (workspace: Workspace) => {
        const params = { path: { workspace_id: workspace.id } };
        return {
          workspace,
          inputs: (await body(api.GET("/v1/workspaces/{workspace_id}/inputs", { params }))).items,
        };
      };
      return Promise.all(items.map(read));
    },
    staleTime: KEPT_MS,
  });
}
