import { Progress, Stack, Text } from "@mantine/core";
import { isUnderWay, useJob } from "../api/jobs";
import { Failure } from "./Failure";
import { percent, words } from "./format";
import { StatusBadge } from "./StatusBadge";

/** How far a job is, until it has ended; then what came of each of its items. */
export function JobProgress({ id, label }: { id: string; label?: string }) {
  const { data, error } = useJob(id);
  if (!data) return <Failure error={error} />;
  return (
    <Stack gap="xs" data-testid="job">
      {isUnderWay(data.state) ? (
        <div role="status">
          <Text size="sm">
            {label ?? words(data.kind)}: {percent(data.progress)}
          </Text>
          <Progress value={data.progress * 100} animated aria-label={label ?? words(data.kind)} />
        </div>
      ) : (
        <div role="status">
          <StatusBadge status={data.state} />
        </div>
      )}
      {data.error && (
        <Text size="sm" c="red">
          {data.error}
        </Text>
      )}
    </Stack>
  );
}
