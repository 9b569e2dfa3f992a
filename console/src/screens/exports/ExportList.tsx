import { Button, Group, Progress, Table, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useCancelExport, useDownload, useExports } from "../../api/exports";
import { isUnderWay, useJobAct } from "../../api/jobs";
import type { Export } from "../../api/types";
import { Failure } from "../../components/Failure";
import { bytes, count, percent, utc } from "../../components/format";
import { identityNames } from "../../components/identities";
import { Listed } from "../../components/Listed";
import { StatusBadge } from "../../components/StatusBadge";

const COLUMNS = ["Audiences", "Members as of (UTC)", "State", "#Users", "#Rows"];

/** Exports of an audience, or all, with how far they are, and their files. */
export function ExportList({ audienceId, says }: { audienceId?: number; says: string }) {
  const found = useExports(audienceId);
  return (
    <Listed
      label="Exports"
      found={found}
      items={found.data?.pages.flatMap((page) => page.items) ?? []}
      empty={{ title: "Nothing was exported yet", says }}
      columns={COLUMNS}
      row={(each) => <Row key={each.id} item={each} />}
    />
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
          {item.format.toUpperCase()}: {identityNames(item.identity_types)}
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
