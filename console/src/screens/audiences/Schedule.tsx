import { Alert, Select } from "@mantine/core";
import { useEditAudience } from "../../api/audiences";
import type { Audience } from "../../api/types";
import { done } from "../../components/done";
import { Failure } from "../../components/Failure";

const NEVER = "";
const OFFERED = [1, 7, 14, 28];

export function scheduleText(days: number): string {
  return days === 1 ? "Anew every night" : `Anew every ${days} days`;
}

/** When a lifetime audience is calculated anew by itself. */
export function Schedule({ audience }: { audience: Audience }) {
  const edit = useEditAudience(audience.id);
  const days = audience.recalculation?.every_days ?? null;
  const offered = days === null || OFFERED.includes(days) ? OFFERED : [...OFFERED, days];
  const choose = (chosen: number | null) =>
    edit.mutate(
      { version: audience.version, edit: { recalculation: { every_days: chosen } } },
      { onSuccess: () => done(chosen === null ? "It is calculated when you ask" : scheduleText(chosen)) },
    );
  return (
    <>
      <Select
        label="Calculation schedule"
        description="Once it is ready, in the night (04:17 UTC) so many days after the last calculation. Each costs credits; nothing is sent by itself."
        data={[
          { value: NEVER, label: "Only when you ask" },
          ...offered.map((each) => ({ value: String(each), label: scheduleText(each) })),
        ]}
        value={days === null ? NEVER : String(days)}
        onChange={(chosen) => choose(chosen ? Number(chosen) : null)}
        allowDeselect={false}
        disabled={edit.isPending}
        mt="md"
      />
      {audience.recalculation?.problem && (
        <Alert color="red" mt="xs" title="It could not begin last night">
          {audience.recalculation.problem}
        </Alert>
      )}
      <Failure error={edit.error} />
    </>
  );
}
