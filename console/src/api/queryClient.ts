import { MutationCache, QueryClient } from "@tanstack/react-query";
import { isProblem } from "./problem";

/** Reads are tried again until the connection is back; what the API has answered is its answer. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => isProblem(error) && isTransient(error.status) && failures < 20,
      retryDelay: (failures) => Math.min(1000 * 2 ** failures, 10_000),
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
  mutationCache: new MutationCache({
    onSuccess: (_data, _sent, _context, mutation) => {
      if (!mutation.meta?.isRead) void queryClient.invalidateQueries();
    },
  }),
});

function isTransient(status: number): boolean {
  return status === 0 || status === 429 || status >= 500;
}
