import { Button, Group, Progress, Table, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useCancelExport, useDownload } from "../../api/exports";
import { isUnderWay, useJobAct } from "../../api/jobs";
import type { Export } from "../../api/types";
import { Failure } from "../../components/Failure";
import { bytes, count, percent, utc } from "../../components/format";
import { StatusBadge } from "../../components/StatusBadge";

/** Exports with how far they are, and their files. */
export function ExportList({ items }: { items: readonly Export[] }) {
  return (
    <div className="card scroll-x">
      <Table verticalSpacing="sm" aria-label="Exports">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Audiences</Table.Th>
            <Table.Th>Members as of (UTC)</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th className="is-number">Users</Table.Th>
            <Table.Th className="is-number">Rows</Table.Th>
            <Table.Th>
              <span className="visually-hidden">Actions</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((each) => (
            <Row key={each.id} item={each} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Row({ item }: { item: Export }) {
  const download = useDownload();
  const cancel = useCancelExport();
  const job = useJobAct();
  const names = [...new Set(item.files.map((each) => each.audience_name))];
  const canRestart = ["failed", "cancelled", "dead"].includes(item.state);
  return (
    <Table.Tr data-testid="export">
      <Table.Td dir="auto">
        {names.join(", ")}
        <Text size="xs" c="dimmed">
          {item.format.toUpperCase()} of {item.identity_types.join(", ")}
        </Text>
      </Table.Td>
      <Table.Td className="figure">{utc(item.at)}</Table.Td>
      <Table.Td>
        {isUnderWay(item.state) ? (
          <>
            <Progress value={item.progress * 100} animated aria-label="Progress of the export" w={110} />
            <Text size="xs">{percent(item.progress)}</Text>
          </>
        ) : (
          <StatusBadge status={item.state} />
        )}
        {(item.error || item.email_error) && (
          <Text size="xs" c="red">
            {item.error ?? item.email_error}
          </Text>
        )}
        <Failure error={download.error ?? cancel.error ?? job.error} />
      </Table.Td>
      <Table.Td className="is-number">{count(item.archive?.users)}</Table.Td>
      <Table.Td className="is-number">{count(item.archive?.rows)}</Table.Td>
      <Table.Td>
        <Group justify="flex-end" gap="xs" wrap="nowrap">
          {item.archive && (
            <Button
              size="compact-sm"
              leftSection={<IconDownload size={15} />}
              loading={download.isPending}
              onClick={() => download.mutate(item.id)}
            >
              Download ({bytes(item.archive.bytes)})
            </Button>
          )}
          {isUnderWay(item.state) && (
            <Button size="compact-sm" variant="default" onClick={() => cancel.mutate(item.id)}>
              Cancel
            </Button>
          )}
          {canRestart && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => job.mutate({ id: item.job_id, act: "restart" })}
            >
              Restart
            </Button>
          )}
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}
