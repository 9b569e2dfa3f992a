import { notifications } from "@mantine/notifications";

/** Says that something was done; failures are said where they happened instead. */
export function done(message: string): void {
  notifications.show({
    message,
    color: "brand",
    autoClose: 4000,
    closeButtonProps: { "aria-label": "Close this message" },
  });
}
