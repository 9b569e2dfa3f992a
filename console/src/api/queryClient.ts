import { MutationCache, QueryClient } from "@tanstack/react-query";
import { isProblem } from "./problem";

/** How long a change that is made waits for the reading after it. */
const READ_PATIENCE_MS = 5_000;

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
    // A change is not over before what is shown is read again: the next one says the version it saw.
    onSuccess: async (_data, _sent, _context, mutation) => {
      if (!mutation.meta?.isRead)
        await Promise.race([queryClient.invalidateQueries(), sleep(READ_PATIENCE_MS)]);
    },
  }),
});

function isTransient(status: number): boolean {
  return status === 0 || status === 429 || status >= 500;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
