import { Badge } from "@mantine/core";

const COLORS: Readonly<Record<string, string>> = {
  active: "green",
  ready: "green",
  succeeded: "green",
  calculating: "blue",
  running: "blue",
  queued: "gray",
  pending: "yellow",
  failed: "red",
  dead: "red",
  draft: "gray",
};

export function StatusBadge({ status }: { status: string }) {
  return (
    <Badge variant="light" color={COLORS[status] ?? "gray"} miw="max-content">
      {status.replaceAll("_", " ")}
    </Badge>
  );
}
