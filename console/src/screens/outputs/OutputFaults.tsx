import { Alert, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import { useConnectionsById } from "../../api/outputs";
import type { Output } from "../../api/types";
import { FaultNote } from "../audiences/FaultIcon";

/** Every connection of an output that stands still. */
export function OutputFaults({ output }: { output: Output }) {
  const found = useConnectionsById(output.faults);
  return (
    <Stack gap="xs">
      {found.map(
        ({ data }) =>
          data?.fault && (
            <Alert key={data.id} color="red">
              <Text size="sm">
                Audience <Link to={`/audiences/${data.audience_id}/connect`}>{data.audience_id}</Link>
              </Text>
              <FaultNote connection={data} output={output.name} />
            </Alert>
          ),
      )}
    </Stack>
  );
}
