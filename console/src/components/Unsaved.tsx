import { useEffect } from "react";
import { useBlocker } from "react-router";
import { Confirm } from "./Confirm";

/** Asks before edits are left behind: by a link of ours here, and by the browser itself when its page ends. */
export function Unsaved({ isUnsaved }: { isUnsaved: boolean }) {
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) => isUnsaved && currentLocation.pathname !== nextLocation.pathname,
  );
  useEffect(() => {
    if (!isUnsaved) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [isUnsaved]);
  return (
    <Confirm
      opened={blocker.state === "blocked"}
      title="Leave without saving?"
      says="What you changed here is not saved, and would be lost."
      button="Leave"
      isBusy={false}
      onClose={() => blocker.reset?.()}
      onConfirm={() => blocker.proceed?.()}
    />
  );
}
