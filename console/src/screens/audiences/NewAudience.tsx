import { Group, Radio, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useNavigate } from "react-router";
import { useCreateAudience } from "../../api/audiences";
import { fieldError } from "../../api/problem";
import type { Schema } from "../../api/types";
import { useWorkspaceInputs } from "../../api/workspaces";
import { FormDialog } from "../../components/FormDialog";
import { InputPicker, type Sources } from "../../components/InputPicker";
import { NameField } from "../../components/NameField";

interface Props {
  kind: "real_time" | "lifetime";
  scope: "single" | "multi";
  onClose: () => void;
}

/** Where every definition begins: everybody of whom there was a sign lately. */
const EVERYBODY: Schema<"NewAudience">["definition"] = {
  version: 1,
  root: { type: "last_seen", window: { type: "within_last", duration: { amount: 30, unit: "days" } } },
};
const SHOWN = ["/name", "/external_name", "/inputs", "/workspaces", "/date_range"];

export default function NewAudience({ kind, scope, onClose }: Props) {
  const [name, setName] = useState("");
  const [externalName, setExternalName] = useState("");
  const [sources, setSources] = useState<Sources>();
  const [range, setRange] = useState<Schema<"DateRange">>({});
  const known = useWorkspaceInputs();
  const create = useCreateAudience();
  const navigate = useNavigate();
  const isMulti = kind === "lifetime" || scope === "multi";
  const chosen = sources ?? firstOf(known.data ?? [], isMulti && kind !== "lifetime");
  const submit = () =>
    create.mutate(
      {
        name: name.trim(),
        external_name: externalName.trim(),
        kind,
        ...chosen,
        definition: EVERYBODY,
        ...(kind === "lifetime" && { date_range: range }),
      },
      { onSuccess: (made) => navigate(`/audiences/${made.id}`) },
    );
  return (
    <FormDialog
      title={kind === "lifetime" ? "New lifetime audience" : "New audience"}
      button="Create"
      size="lg"
      isBusy={create.isPending}
      isReady={name.trim() !== "" && chosen.inputs.length > 0}
      error={known.error ?? create.error}
      shown={SHOWN}
      onClose={onClose}
      onSubmit={submit}
    >
      <NameField
        label="Audience name"
        required
        value={name}
        onChange={setName}
        error={fieldError(create.error, "/name")}
        data-autofocus
      />
      <NameField
        label="External name"
        description="What partners and receivers see; the audience name if you leave it empty."
        value={externalName}
        onChange={setExternalName}
        error={fieldError(create.error, "/external_name")}
      />
      <InputPicker
        known={known.data ?? []}
        value={chosen}
        onChange={setSources}
        isMulti={isMulti}
        error={fieldError(create.error, "/inputs") ?? fieldError(create.error, "/workspaces")}
      />
      {kind === "lifetime" ? (
        <DateRange value={range} onChange={setRange} error={fieldError(create.error, "/date_range")} />
      ) : (
        <Text size="sm" c="dimmed">
          Date range: events of the last 30 days (or as many as your account keeps), and the latest values of
          profiles.
        </Text>
      )}
    </FormDialog>
  );
}

function DateRange({
  value,
  onChange,
  error,
}: {
  value: Schema<"DateRange">;
  onChange: (value: Schema<"DateRange">) => void;
  error?: string;
}) {
  const [isPeriod, setPeriod] = useState(false);
  return (
    <Radio.Group
      label="Date range"
      description="Whose events are read; both days count, in UTC."
      value={isPeriod ? "period" : "all"}
      onChange={(chosen) => {
        setPeriod(chosen === "period");
        if (chosen === "all") onChange({});
      }}
      error={error}
    >
      <Group mt="xs">
        <Radio value="all" label="All available data" />
        <Radio value="period" label="A period" />
      </Group>
      {isPeriod && (
        <Group mt="xs">
          <TextInput
            type="date"
            label="First day"
            value={value.start ?? ""}
            onChange={(event) => onChange({ ...value, start: event.currentTarget.value || null })}
          />
          <TextInput
            type="date"
            label="Last day"
            value={value.end ?? ""}
            onChange={(event) => onChange({ ...value, end: event.currentTarget.value || null })}
          />
        </Group>
      )}
    </Radio.Group>
  );
}

/** The first workspace with its inputs; for several, all of them. */
function firstOf(
  known: readonly { workspace: { id: string }; inputs: readonly { id: string }[] }[],
  isMulti: boolean,
) {
  const taken = isMulti ? known : known.filter((each) => each.inputs.length > 0).slice(0, 1);
  return {
    workspaces: taken.map((each) => each.workspace.id),
    inputs: taken.flatMap((each) => each.inputs.map((one) => one.id)),
  };
}
