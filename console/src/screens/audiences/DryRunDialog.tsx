import { Button, Group, Modal, Stack, Table, Text } from "@mantine/core";
import { useEffect } from "react";
import { useDryRun } from "../../api/measure";
import type { Audience, DryRun, Schema } from "../../api/types";
import { Failure } from "../../components/Failure";
import { count } from "../../components/format";
import { Loading } from "../../components/Loading";

interface Props {
  audience: Audience;
  /** What would be saved; null: the dialog is closed. */
  edit: Schema<"AudienceEdit"> | null;
  isSaving: boolean;
  error: unknown;
  onClose: () => void;
  onApply: () => void;
}

/** Who would join and leave, before an edit of an active audience goes live. */
export function DryRunDialog({ audience, edit, isSaving, error, onClose, onApply }: Props) {
  const dryRun = useDryRun(audience.id);
  const { mutate, data } = dryRun;
  useEffect(() => {
    if (edit) mutate(edit);
  }, [edit, mutate]);
  return (
    <Modal opened={edit !== null} onClose={onClose} title="What this edit would change">
      <Stack>
        {dryRun.isPending && <Loading />}
        <Failure error={dryRun.error ?? error} />
        {data && <Counts counts={data} />}
        <Text size="sm" c="dimmed">
          The audience keeps its present definition until every profile was evaluated with the new one; then
          all changes at once, and connected partners are told of those who join and leave, nobody else.
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button loading={isSaving} disabled={!data} onClick={onApply}>
            Save and apply
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Counts({ counts }: { counts: DryRun }) {
  const rows = [
    ["Would join", counts.joins],
    ["Would leave", counts.leaves],
    ["Size now", counts.size_before],
    ["Size then", counts.size_after],
  ] as const;
  return (
    <Table data-testid="dry-run">
      <Table.Tbody>
        {rows.map(([label, each]) => (
          <Table.Tr key={label}>
            <Table.Th>{label}</Table.Th>
            <Table.Td className="is-number">{(counts.is_exact ? "" : "~") + count(each.count)}</Table.Td>
            <Table.Td>
              <Text size="sm" c="dimmed">
                {counts.is_exact ? "exactly" : `${count(each.low)} to ${count(each.high)}`}
              </Text>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
