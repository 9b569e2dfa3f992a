import { ActionIcon, Alert, Button, Group, Menu, Table, Text } from "@mantine/core";
import { IconDots, IconPlugConnected, IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";
import { useDirectory, useOutputAct, useOutputs } from "../../api/outputs";
import type { Connector, Output } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { done } from "../../components/done";
import { Failure } from "../../components/Failure";
import { utc } from "../../components/format";
import { Listed } from "../../components/Listed";
import { PageHead } from "../../components/PageHead";
import { StatusBadge } from "../../components/StatusBadge";
import { LogInAgain } from "../audiences/FaultIcon";
import { BulkConnect } from "./BulkConnect";
import { OutputDialog } from "./OutputDialog";
import { OutputFaults } from "./OutputFaults";

const COLUMNS = ["Configuration", "Partner", "Created (UTC)", "State"];

/** The account's configurations at partners, their faults, and connecting many audiences at once. */
export default function OutputsScreen() {
  const outputs = useOutputs();
  const directory = useDirectory();
  const connectorOf = (output: Output) => directory.data?.find((each) => each.kind === output.connector);
  return (
    <div className="page">
      <PageHead title="Audience configurations" says={<Text c="dimmed">Your accounts at partners.</Text>}>
        <Button component={Link} to="/outputs/directory" leftSection={<IconPlus size={17} />}>
          Add from the directory
        </Button>
      </PageHead>
      <Listed
        label="Audience configurations"
        found={{
          error: outputs.error ?? directory.error,
          isPending: outputs.isPending || directory.isPending,
        }}
        items={outputs.data ?? []}
        empty={{
          title: "No partner is set up yet",
          says: "Choose a partner in the directory and enter what it needs. Then any audience can be connected to it.",
          children: (
            <Button component={Link} to="/outputs/directory">
              Open the directory
            </Button>
          ),
        }}
        columns={COLUMNS}
        row={(each) => <Row key={each.id} output={each} connector={connectorOf(each)} />}
      />
    </div>
  );
}

type Opened = "edit" | "bulk" | "delete" | null;

function Row({ output, connector }: { output: Output; connector?: Connector }) {
  const [opened, setOpened] = useState<Opened>(null);
  const act = useOutputAct();
  const test = () =>
    act.mutate(
      { id: output.id, version: output.version, act: "test" },
      { onSuccess: (found) => found?.ok && done("The partner can be used with these settings") },
    );
  const failed = act.data && !act.data.ok ? act.data.fault : null;
  return (
    <>
      <Table.Tr>
        <Table.Td maw={300}>
          <Text fw={600} dir="auto">
            {output.name}
          </Text>
          {failed && (
            <Alert color="red" mt={4} p="xs" role="alert">
              {failed.message} <LogInAgain fault={failed} />
            </Alert>
          )}
          {opened === null && <Failure error={act.error} />}
        </Table.Td>
        <Table.Td>{connector?.name ?? output.connector}</Table.Td>
        <Table.Td className="figure">{utc(output.created_at)}</Table.Td>
        <Table.Td>
          <StatusBadge status={output.faults.length > 0 ? "faulted" : "ready"} />
        </Table.Td>
        <Table.Td>
          <Group gap="xs" justify="flex-end" wrap="nowrap">
            <Button
              size="compact-sm"
              leftSection={<IconPlugConnected size={15} />}
              onClick={() => setOpened("bulk")}
              aria-label={`Connect audiences to ${output.name}`}
            >
              Connect audiences
            </Button>
            <Menu position="bottom-end">
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${output.name}`}>
                  <IconDots size={18} />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item onClick={() => setOpened("edit")}>Settings</Menu.Item>
                <Menu.Item onClick={test}>Test</Menu.Item>
                <Menu.Divider />
                <Menu.Item color="red" onClick={() => setOpened("delete")}>
                  Delete
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </Group>
        </Table.Td>
      </Table.Tr>
      {output.faults.length > 0 && (
        <Table.Tr>
          <Table.Td colSpan={5}>
            <OutputFaults output={output} />
          </Table.Td>
        </Table.Tr>
      )}
      {opened === "edit" && connector && (
        <OutputDialog connector={connector} output={output} onClose={() => setOpened(null)} />
      )}
      {opened === "bulk" && connector && (
        <BulkConnect output={output} connector={connector} onClose={() => setOpened(null)} />
      )}
      <Confirm
        opened={opened === "delete"}
        title="Delete this configuration?"
        says="It must not be connected to any audience."
        button="Delete"
        isBusy={act.isPending}
        error={act.error}
        onClose={() => setOpened(null)}
        onConfirm={() =>
          act.mutate(
            { id: output.id, version: output.version, act: "delete" },
            { onSuccess: () => setOpened(null) },
          )
        }
      />
    </>
  );
}
