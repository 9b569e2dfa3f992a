import { useSyncExternalStore } from "react";

/** Whether the API can be reached at all; who asks is told of each change. */
let isLost = false;
const listeners = new Set<() => void>();

export function setLost(lost: boolean): void {
  if (lost === isLost) return;
  isLost = lost;
  for (const each of listeners) each();
}

export function useIsLost(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => isLost,
  );
}
