import { useMutation, useQueries, useQuery } from "@tanstack/react-query";
import { LIVE_MS } from "./audiences";
import { api, body, ifMatch, onceOnly } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];

export function useDirectory() {
  return useQuery({
    queryKey: ["directory"],
    queryFn: () =>
      body(api.GET("/v1/directory", { params: { query: { audience: true } } })).then((each) => each.items),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useOutputs() {
  return useQuery({
    queryKey: ["outputs"],
    queryFn: () => body(api.GET("/v1/outputs")).then((each) => each.items),
    refetchInterval: LIVE_MS,
  });
}

export function useConnections(audienceId: number) {
  return useQuery({
    queryKey: ["connections", "of", audienceId],
    queryFn: () =>
      body(
        api.GET("/v1/audiences/{audience_id}/connections", { params: { path: { audience_id: audienceId } } }),
      ).then((each) => each.items),
    refetchInterval: LIVE_MS,
  });
}

/** Connections by their ids; one that is gone meanwhile is left out. */
export function useConnectionsById(ids: readonly string[], isWanted = true) {
  return useQueries({
    queries: ids.map((id) => ({
      queryKey: ["connection", id],
      queryFn: () =>
        body(api.GET("/v1/connections/{connection_id}", { params: { path: { connection_id: id } } })),
      enabled: isWanted,
    })),
  });
}

export function useResume() {
  return useMutation({
    mutationFn: (id: string) =>
      body(api.POST("/v1/connections/{connection_id}/resume", { params: { path: { connection_id: id } } })),
  });
}

export function useSaveOutput() {
  return useMutation({
    mutationFn: ({
      known,
      output,
    }: {
      known?: { id: string; version: number };
      output: Schemas["NewOutput"];
    }) =>
      known
        ? body(
            api.PATCH("/v1/outputs/{output_id}", {
              params: { path: { output_id: known.id }, header: ifMatch(known.version) },
              body: {
                name: output.name,
                settings: output.settings,
                contact_email: output.contact_email ?? "",
              },
            }),
          )
        : body(api.POST("/v1/outputs", { params: { header: onceOnly() }, body: output })),
  });
}

export function useOutputAct() {
  return useMutation({
    mutationFn: async ({ id, version, act }: { id: string; version: number; act: "delete" | "test" }) => {
      const path = { output_id: id };
      if (act === "test") return body(api.POST("/v1/outputs/{output_id}/test", { params: { path } }));
      await body(api.DELETE("/v1/outputs/{output_id}", { params: { path, header: ifMatch(version) } }));
      return null;
    },
  });
}

/** Where to log in at the partner. */
export function useAuthorize() {
  return useMutation({
    mutationFn: (id: string) =>
      body(api.POST("/v1/outputs/{output_id}/authorize", { params: { path: { output_id: id } } })),
  });
}

export function useConnect(audienceId: number) {
  return useMutation({
    mutationFn: (connection: Schemas["NewConnection"]) =>
      body(
        api.POST("/v1/audiences/{audience_id}/connections", {
          params: { path: { audience_id: audienceId }, header: onceOnly() },
          body: connection,
        }),
      ),
  });
}

export function useEditConnection() {
  return useMutation({
    mutationFn: ({ id, version, edit }: { id: string; version: number; edit: Schemas["ConnectionEdit"] }) =>
      body(
        api.PATCH("/v1/connections/{connection_id}", {
          params: { path: { connection_id: id }, header: ifMatch(version) },
          body: edit,
        }),
      ),
  });
}

export function useDeleteConnection() {
  return useMutation({
    mutationFn: ({ id, version }: { id: string; version: number }) =>
      body(
        api.DELETE("/v1/connections/{connection_id}", {
          params: { path: { connection_id: id }, header: ifMatch(version) },
        }),
      ),
  });
}

export function useBulkConnect(outputId: string) {
  return useMutation({
    mutationFn: (asked: Schemas["BulkConnection"]) =>
      body(
        api.POST("/v1/outputs/{output_id}/connect-audiences", {
          params: { path: { output_id: outputId }, header: onceOnly() },
          body: asked,
        }),
      ),
  });
}

/** How far the partner has what it should have. */
export function useReconciliation(connectionId: string) {
  return useQuery({
    queryKey: ["reconciliation", connectionId],
    queryFn: () =>
      body(
        api.GET("/v1/connections/{connection_id}/reconciliation", {
          params: { path: { connection_id: connectionId }, query: { limit: 0 } },
        }),
      ),
    refetchInterval: LIVE_MS,
  });
}
