import { Button, Checkbox, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useSend } from "../../api/lifetime";
import type { Connection, Output } from "../../api/types";
import { Failure } from "../../components/Failure";
import { JobProgress } from "../../components/JobProgress";
import type { Connectable } from "./connectable";

interface Props {
  audience: Connectable;
  connections: readonly Connection[];
  outputs: readonly Output[];
  onClose: () => void;
}

/** Forwards all members of a calculated audience to the outputs that are ticked. */
export function SendDialog({ audience, connections, outputs, onClose }: Props) {
  const [chosen, setChosen] = useState<string[]>(connections.map((each) => each.id));
  const send = useSend(audience.id);
  return (
    <Modal opened onClose={onClose} title="Send the audience">
      <Stack>
        {send.data ? (
          <JobProgress id={send.data.id} />
        ) : (
          <>
            <Text size="sm" c="dimmed">
              Each partner gets all members as they were calculated; sent again after another calculation, it
              gets the difference.
            </Text>
            <Checkbox.Group label="Outputs" value={chosen} onChange={setChosen}>
              <Stack gap="xs" mt="xs">
                {connections.map((each) => (
                  <Checkbox
                    key={each.id}
                    value={each.id}
                    label={outputs.find((one) => one.id === each.output_id)?.name ?? each.output_id}
                  />
                ))}
              </Stack>
            </Checkbox.Group>
          </>
        )}
        <Failure error={send.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Close
          </Button>
          {!send.data && (
            <Button
              loading={send.isPending}
              disabled={chosen.length === 0}
              onClick={() => send.mutate(chosen)}
            >
              Send
            </Button>
          )}
        </Group>
      </Stack>
    </Modal>
  );
}
