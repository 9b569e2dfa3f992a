import { ActionIcon, Button, Group, Popover, Stack, Text } from "@mantine/core";
import { IconAlertTriangleFilled } from "@tabler/icons-react";
import { useState } from "react";
import { Link, useLocation } from "react-router";
import { useConnectionsById, useOutputs, useResume } from "../../api/outputs";
import type { Connection, Fault } from "../../api/types";
import { done } from "../../components/done";
import { Failure } from "../../components/Failure";
import { ago, words } from "../../components/format";

/** Why forwarding stopped, and the button that starts it again; nothing when no connection is faulted. */
export function FaultIcon({ faults, name }: { faults: readonly string[]; name: string }) {
  const [isOpen, setOpen] = useState(false);
  if (faults.length === 0) return null;
  return (
    <Popover opened={isOpen} onChange={setOpen} width={340} position="bottom-start" withArrow trapFocus>
      <Popover.Target>
        <ActionIcon
          variant="subtle"
          color="red"
          aria-label={`Fault of ${name}: show why`}
          onClick={() => setOpen(!isOpen)}
        >
          <IconAlertTriangleFilled size={18} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown>{isOpen && <Faults ids={faults} />}</Popover.Dropdown>
    </Popover>
  );
}

function Faults({ ids }: { ids: readonly string[] }) {
  const found = useConnectionsById(ids);
  const outputs = useOutputs();
  return (
    <Stack gap="md">
      {found.map((each, place) =>
        each.data?.fault ? (
          <FaultNote
            key={ids[place]}
            connection={each.data}
            output={outputs.data?.find((one) => one.id === each.data?.output_id)?.name ?? "the output"}
          />
        ) : null,
      )}
    </Stack>
  );
}

/** One fault in words, with Resume. */
export function FaultNote({ connection, output }: { connection: Connection; output: string }) {
  const resume = useResume();
  const { fault } = connection;
  if (!fault) return null;
  return (
    <Stack gap={6}>
      <Text size="sm" fw={600}>
        {words(fault.kind)} fault at <bdi>{output}</bdi>, {ago(fault.at)}
      </Text>
      <Text size="sm" data-testid="fault-message">
        {fault.message}
      </Text>
      <Text size="xs" c="dimmed">
        {ADVICE[fault.kind]} Nothing is sent until you press Resume; then the partner gets what it missed.
      </Text>
      <Failure error={resume.error} />
      <Group gap="xs">
        <LogInAgain fault={fault} />
        <Button
          size="xs"
          loading={resume.isPending}
          onClick={() => resume.mutate(connection.id, { onSuccess: () => done("Forwarding goes on") })}
        >
          Resume
        </Button>
      </Group>
    </Stack>
  );
}

/** Leads to the screen for it, where a log-in mends the fault. */
export function LogInAgain({ fault }: { fault: Fault }) {
  const { pathname } = useLocation();
  // The address may be another of the console's than this.
  const page = fault.log_in_url && new URL(fault.log_in_url).pathname;
  if (!page || page === pathname) return null;
  return (
    <Button component={Link} to={page} size="xs" variant="default">
      Log in again
    </Button>
  );
}

const ADVICE = {
  authentication: "Log in again or correct the key in the output's configuration.",
  permissions: "Give the API user at the partner the right to change audiences.",
  rate_limit: "The partner said “Too Many Requests” for too long; wait a while.",
  configuration: "Correct the settings of the output or of this connection.",
  partner_error: "The partner did not answer as it should; it may be down.",
} as const;
