import { Alert, Button, Group, Modal, Stack, Switch, Text } from "@mantine/core";
import { IconPlugConnected, IconSend } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";
import {
  useConnections,
  useDeleteConnection,
  useDirectory,
  useEditConnection,
  useOutputs,
  useReconciliation,
} from "../../api/outputs";
import type { Connection, Connector, Output } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { done } from "../../components/done";
import { Empty } from "../../components/Empty";
import { type Fact, Facts } from "../../components/Facts";
import { Failure } from "../../components/Failure";
import { count, utc, words } from "../../components/format";
import { Loading } from "../../components/Loading";
import { StatusBadge } from "../../components/StatusBadge";
import { ConnectionForm } from "./ConnectionForm";
import type { Connectable } from "./connectable";
import { FaultNote } from "./FaultIcon";
import { SendDialog } from "./SendDialog";

/** Which partners are told of the members, and how that goes. */
export default function ConnectTab({ audience }: { audience: Connectable }) {
  const connections = useConnections(audience.id);
  const outputs = useOutputs();
  const directory = useDirectory();
  const [isNew, setNew] = useState(false);
  const [isSending, setSending] = useState(false);
  const isLifetime = audience.kind === "lifetime";
  if (audience.status === "draft" && !isLifetime) {
    return (
      <Empty
        title="Activate the audience first"
        says="Only an active audience has members to tell partners of."
      >
        <Button component={Link} to={`/audiences/${audience.id}`}>
          Go to its definition
        </Button>
      </Empty>
    );
  }
  if (connections.isPending || outputs.isPending || directory.isPending) return <Loading />;
  const items = connections.data ?? [];
  return (
    <Stack>
      <Failure error={connections.error ?? outputs.error ?? directory.error} />
      <Group justify="space-between">
        <Text c="dimmed" size="sm">
          Partners get only identities that they accept, of every member, and whatever changes.
        </Text>
        <Group>
          {isLifetime && audience.status === "ready" && items.length > 0 && (
            <Button variant="default" leftSection={<IconSend size={17} />} onClick={() => setSending(true)}>
              Send
            </Button>
          )}
          <Button leftSection={<IconPlugConnected size={17} />} onClick={() => setNew(true)}>
            Connect output
          </Button>
        </Group>
      </Group>
      {items.length === 0 ? (
        <div className="card">
          <Empty
            title="No partner knows of this audience yet"
            says="Connect it to an output, and every member with an identity that the partner accepts is forwarded, now and as members come and go."
          />
        </div>
      ) : (
        <div className="cards">
          {items.map((each) => (
            <ConnectionCard
              key={each.id}
              connection={each}
              output={outputs.data?.find((one) => one.id === each.output_id)}
              connectors={directory.data ?? []}
            />
          ))}
        </div>
      )}
      <Modal opened={isNew} onClose={() => setNew(false)} title="Connect an output" size="lg">
        <ConnectionForm
          audience={audience}
          outputs={outputs.data ?? []}
          connectors={directory.data ?? []}
          onDone={() => setNew(false)}
        />
      </Modal>
      {isSending && (
        <SendDialog
          audience={audience}
          connections={items}
          outputs={outputs.data ?? []}
          onClose={() => setSending(false)}
        />
      )}
    </Stack>
  );
}

interface CardProps {
  connection: Connection;
  output?: Output;
  connectors: readonly Connector[];
}

function ConnectionCard({ connection, output, connectors }: CardProps) {
  const connector = connectors.find((each) => each.kind === output?.connector);
  const edit = useEditConnection();
  const remove = useDeleteConnection();
  const [isLeaving, setLeaving] = useState(false);
  const { id, version, status } = connection;
  return (
    <section className="card is-padded" aria-label={`Connection to ${output?.name ?? connection.output_id}`}>
      <Group justify="space-between" align="flex-start" wrap="nowrap" mb={8}>
        <div style={{ minWidth: 0 }}>
          <Text fw={600} className="one-line">
            <bdi>{output?.name ?? connection.output_id}</bdi>
          </Text>
          <Text size="sm" c="dimmed">
            {connector?.name}
            {connection.variant && (
              <>
                , variation <bdi>{connection.variant.name}</bdi>
              </>
            )}
          </Text>
        </div>
        <StatusBadge status={connection.fault ? "faulted" : status} />
      </Group>
      {connection.fault && (
        <Alert color="red" mb="sm">
          <FaultNote connection={connection} output={output?.name ?? "the output"} />
        </Alert>
      )}
      {connection.notice && (
        <Alert color="blue" mb="sm" p="xs">
          {connection.notice}
        </Alert>
      )}
      <Delivery connection={connection} />
      <Failure error={edit.error ?? remove.error} />
      <Group justify="space-between" mt="sm">
        <Switch
          label="Sending"
          checked={status === "active"}
          disabled={status === "deleting" || edit.isPending}
          onChange={(event) =>
            edit.mutate(
              { id, version, edit: { status: event.currentTarget.checked ? "active" : "inactive" } },
              { onSuccess: (saved) => done(saved.status === "active" ? "Sending" : "Sending has stopped") },
            )
          }
        />
        <Button variant="subtle" color="red" size="compact-sm" onClick={() => setLeaving(true)}>
          Delete
        </Button>
      </Group>
      <Confirm
        opened={isLeaving}
        title="Delete this connection?"
        says="The partner is told to forget every member; then the connection is gone."
        button="Delete"
        isBusy={remove.isPending}
        onClose={() => setLeaving(false)}
        onConfirm={() => remove.mutate({ id, version }, { onSuccess: () => setLeaving(false) })}
      />
    </section>
  );
}

function Delivery({ connection }: { connection: Connection }) {
  const { data } = useReconciliation(connection.id);
  const shared = [...(connection.attributes.account ?? []), ...(connection.attributes.workspace ?? [])];
  const facts: Fact[] = [
    ["Forwarded", data ? `${count(data.total.delivered)} of ${count(data.total.members)}` : "--"],
    ["Waiting", data ? count(data.total.waiting) : "--"],
    ["No accepted identity", data ? count(data.total.not_forwardable) : "--"],
    ["Active since", utc(connection.active_since)],
  ];
  if (shared.length > 0) facts.push(["User attributes", shared.join(", ")]);
  for (const [name, value] of Object.entries(connection.settings)) {
    if (value !== null && value !== "" && typeof value !== "object") facts.push([words(name), String(value)]);
  }
  return <Facts facts={facts} />;
}
