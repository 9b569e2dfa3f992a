import { Alert, Button, Code, Group, Select, Table, Text } from "@mantine/core";
import { useState } from "react";
import { fieldError } from "../../api/problem";
import {
  useCreateInput,
  useDeleteInput,
  useDeleteWorkspace,
  useRotate,
  useSaveWorkspace,
} from "../../api/settings";
import type { Input, Workspace } from "../../api/types";
import type { WorkspaceInputs } from "../../api/workspaces";
import { Confirm } from "../../components/Confirm";
import { FormDialog } from "../../components/FormDialog";
import { words } from "../../components/format";
import { NameField } from "../../components/NameField";

interface Credential {
  key: string;
  secret: string;
}

/** A workspace with its inputs, and what can be done to them. */
export function WorkspaceCard({ found: { workspace, inputs } }: { found: WorkspaceInputs }) {
  const [opened, setOpened] = useState<"name" | "input" | "delete" | null>(null);
  const [credential, setCredential] = useState<Credential | null>(null);
  const remove = useDeleteWorkspace();
  const close = () => setOpened(null);
  return (
    <section className="card is-padded" aria-label={workspace.name}>
      <Group justify="space-between" mb="sm">
        <div>
          <Text fw={650} dir="auto">
            {workspace.name}
          </Text>
          <Text size="xs" c="dimmed">
            {workspace.id}
          </Text>
        </div>
        <Group gap="xs">
          <Button size="compact-sm" variant="default" onClick={() => setOpened("input")}>
            Add input
          </Button>
          <Button size="compact-sm" variant="default" onClick={() => setOpened("name")}>
            Rename
          </Button>
          <Button size="compact-sm" variant="subtle" color="red" onClick={() => setOpened("delete")}>
            Delete
          </Button>
        </Group>
      </Group>
      {credential && <Secret credential={credential} onClose={() => setCredential(null)} />}
      {inputs.length > 0 ? (
        <div className="scroll-x">
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Input</Table.Th>
                <Table.Th>Kind</Table.Th>
                <Table.Th>Key</Table.Th>
                <Table.Th>
                  <span className="visually-hidden">Actions</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {inputs.map((each) => (
                <InputRow key={each.id} input={each} onSecret={setCredential} />
              ))}
            </Table.Tbody>
          </Table>
        </div>
      ) : (
        <Text size="sm" c="dimmed">
          No input yet. Add one for each app, website or server that sends data: it gets a key of its own.
        </Text>
      )}
      {opened === "name" && <NameDialog workspace={workspace} onClose={close} />}
      {opened === "input" && <NewInput workspaceId={workspace.id} onClose={close} onSecret={setCredential} />}
      <Confirm
        opened={opened === "delete"}
        title="Delete this workspace?"
        says="No audience may use it."
        button="Delete"
        isBusy={remove.isPending}
        error={remove.error}
        onClose={close}
        onConfirm={() => remove.mutate(workspace, { onSuccess: close })}
      />
    </section>
  );
}

/** Without a workspace: a new one. */
export function NameDialog({ workspace, onClose }: { workspace?: Workspace; onClose: () => void }) {
  const [name, setName] = useState(workspace?.name ?? "");
  const save = useSaveWorkspace();
  return (
    <FormDialog
      title={workspace ? "Rename workspace" : "New workspace"}
      button="Save"
      isBusy={save.isPending}
      isReady={name.trim() !== ""}
      error={save.error}
      shown={["/name"]}
      onClose={onClose}
      onSubmit={() => save.mutate({ known: workspace, name: name.trim() }, { onSuccess: onClose })}
    >
      <NameField
        label="Name"
        required
        value={name}
        onChange={setName}
        error={fieldError(save.error, "/name")}
        data-autofocus
      />
    </FormDialog>
  );
}

function Secret({ credential, onClose }: { credential: Credential; onClose: () => void }) {
  return (
    <Alert
      color="yellow"
      mb="sm"
      title="Copy the secret now: it is not shown again"
      withCloseButton
      closeButtonLabel="Close"
      onClose={onClose}
    >
      <Text size="sm">Key</Text>
      <Code block>{credential.key}</Code>
      <Text size="sm" mt={6}>
        Secret
      </Text>
      <Code block>{credential.secret}</Code>
    </Alert>
  );
}

function InputRow({ input, onSecret }: { input: Input; onSecret: (credential: Credential) => void }) {
  const rotate = useRotate(input);
  const remove = useDeleteInput(input);
  const [asks, setAsks] = useState<"rotate" | "delete" | null>(null);
  const close = () => setAsks(null);
  const onRotated = ({ key, secret }: { key: string; secret?: string | null }) => {
    close();
    if (secret) onSecret({ key, secret });
  };
  return (
    <Table.Tr>
      <Table.Td dir="auto">{input.name}</Table.Td>
      <Table.Td>{words(input.kind)}</Table.Td>
      <Table.Td>
        <Code>{input.key}</Code>
      </Table.Td>
      <Table.Td>
        <Group gap="xs" justify="flex-end" wrap="nowrap">
          <Button size="compact-xs" variant="default" onClick={() => setAsks("rotate")}>
            New key
          </Button>
          <Button size="compact-xs" variant="subtle" color="red" onClick={() => setAsks("delete")}>
            Delete
          </Button>
        </Group>
        <Confirm
          opened={asks === "rotate"}
          title="Make a new key and secret?"
          says="The present ones work for another day, so that whoever sends with them can change over."
          button="Make new ones"
          isSafe
          isBusy={rotate.isPending}
          error={rotate.error}
          onClose={close}
          onConfirm={() => rotate.mutate(undefined, { onSuccess: onRotated })}
        />
        <Confirm
          opened={asks === "delete"}
          title="Delete this input?"
          says="No audience may use it. What it sends from now on is refused."
          button="Delete"
          isBusy={remove.isPending}
          error={remove.error}
          onClose={close}
          onConfirm={() => remove.mutate(undefined, { onSuccess: close })}
        />
      </Table.Td>
    </Table.Tr>
  );
}

const KINDS = [
  { value: "platform", label: "Platform: an app or website" },
  { value: "feed", label: "Feed: a server or partner" },
];

function NewInput({
  workspaceId,
  onClose,
  onSecret,
}: {
  workspaceId: string;
  onClose: () => void;
  onSecret: (credential: Credential) => void;
}) {
  const [name, setName] = useState("");
  const [kind, setKind] = useState<Input["kind"]>("platform");
  const create = useCreateInput(workspaceId);
  const onCreated = ({ key, secret }: { key: string; secret?: string | null }) => {
    if (secret) onSecret({ key, secret });
    onClose();
  };
  return (
    <FormDialog
      title="Add an input"
      button="Add"
      isBusy={create.isPending}
      isReady={name.trim() !== ""}
      error={create.error}
      shown={["/name"]}
      onClose={onClose}
      onSubmit={() => create.mutate({ name: name.trim(), kind }, { onSuccess: onCreated })}
    >
      <NameField
        label="Name"
        required
        value={name}
        onChange={setName}
        error={fieldError(create.error, "/name")}
        data-autofocus
      />
      <Select
        label="Kind"
        data={KINDS}
        value={kind}
        onChange={(chosen) => setKind(chosen === "feed" ? "feed" : "platform")}
        allowDeselect={false}
      />
    </FormDialog>
  );
}
