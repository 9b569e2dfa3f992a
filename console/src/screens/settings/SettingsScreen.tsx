import { Alert, Button, Code, Group, Modal, Select, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
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
import { useWorkspaceInputs, type WorkspaceInputs } from "../../api/workspaces";
import { Confirm } from "../../components/Confirm";
import { Empty } from "../../components/Empty";
import { Failure } from "../../components/Failure";
import { words } from "../../components/format";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";

const ROLES = [
  ["Read only", "sees everything, changes nothing"],
  ["Audiences only", "audiences, connections to existing outputs, and exports"],
  ["User", "also outputs"],
  ["Admin", "also workspaces, inputs and sharing"],
] as const;

/** Workspaces with their inputs and keys, and what each role may do. */
export default function SettingsScreen() {
  const found = useWorkspaceInputs();
  const [isNew, setNew] = useState(false);
  return (
    <div className="page">
      <PageHead
        title="Settings"
        says={
          <Text c="dimmed">
            Workspaces are apps or brands; inputs are the platforms and feeds that send their data.
          </Text>
        }
      >
        <Button leftSection={<IconPlus size={17} />} onClick={() => setNew(true)}>
          New workspace
        </Button>
      </PageHead>
      <Failure error={found.error} />
      {found.isPending && <Loading />}
      <Stack>
        {found.data?.map((each) => (
          <WorkspaceCard key={each.workspace.id} found={each} />
        ))}
        {found.data?.length === 0 && (
          <div className="card">
            <Empty title="No workspace yet" says="Create one for each app or brand, and give it inputs." />
          </div>
        )}
        <section className="card is-padded" aria-label="Roles">
          <Text fw={600} mb="xs">
            Roles
          </Text>
          <dl className="facts">
            {ROLES.map(([name, says]) => (
              <Role key={name} name={name} says={says} />
            ))}
          </dl>
          <Text size="sm" c="dimmed" mt="sm">
            An operator invites people and gives them their role; ask yours.
          </Text>
        </section>
      </Stack>
      {isNew && <NameDialog onClose={() => setNew(false)} />}
    </div>
  );
}

function Role({ name, says }: { name: string; says: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{says}</dd>
    </>
  );
}

function NameDialog({ workspace, onClose }: { workspace?: Workspace; onClose: () => void }) {
  const [name, setName] = useState(workspace?.name ?? "");
  const save = useSaveWorkspace();
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    save.mutate({ known: workspace, name: name.trim() }, { onSuccess: onClose });
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={workspace ? "Rename workspace" : "New workspace"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Name"
            required
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={fieldError(save.error, "/name")}
            data-autofocus
            dir="auto"
          />
          <Failure error={save.error} shown={["/name"]} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending} disabled={!name.trim()}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

interface Credential {
  key: string;
  secret: string;
}

function WorkspaceCard({ found: { workspace, inputs } }: { found: WorkspaceInputs }) {
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
      {inputs.length > 0 && (
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
      )}
      {opened === "name" && <NameDialog workspace={workspace} onClose={close} />}
      {opened === "input" && <NewInput workspaceId={workspace.id} onClose={close} onSecret={setCredential} />}
      <Confirm
        opened={opened === "delete"}
        title="Delete this workspace?"
        says="No audience may use it."
        button="Delete"
        isBusy={remove.isPending}
        error={<Failure error={remove.error} />}
        onClose={close}
        onConfirm={() => remove.mutate(workspace, { onSuccess: close })}
      />
    </section>
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
          says="Whoever sends with the present ones must change to the new ones."
          button="Make new ones"
          isBusy={rotate.isPending}
          error={<Failure error={rotate.error} />}
          onClose={close}
          onConfirm={() => rotate.mutate(undefined, { onSuccess: onRotated })}
        />
        <Confirm
          opened={asks === "delete"}
          title="Delete this input?"
          says="No audience may use it. What it sends from now on is refused."
          button="Delete"
          isBusy={remove.isPending}
          error={<Failure error={remove.error} />}
          onClose={close}
          onConfirm={() => remove.mutate(undefined, { onSuccess: close })}
        />
      </Table.Td>
    </Table.Tr>
  );
}

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
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    create.mutate(
      { name: name.trim(), kind },
      {
        onSuccess: ({ key, secret }) => {
          if (secret) onSecret({ key, secret });
          onClose();
        },
      },
    );
  };
  return (
    <Modal opened onClose={onClose} title="Add an input" closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Name"
            required
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={fieldError(create.error, "/name")}
            data-autofocus
            dir="auto"
          />
          <Select
            label="Kind"
            data={[
              { value: "platform", label: "Platform: an app or website" },
              { value: "feed", label: "Feed: a server or partner" },
            ]}
            value={kind}
            onChange={(chosen) => setKind(chosen === "feed" ? "feed" : "platform")}
            allowDeselect={false}
          />
          <Failure error={create.error} shown={["/name"]} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending} disabled={!name.trim()}>
              Add
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
