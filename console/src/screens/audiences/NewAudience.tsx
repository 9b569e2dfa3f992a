import { Button, Group, Modal, Radio, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useNavigate } from "react-router";
import { useCreateAudience } from "../../api/audiences";
import { fieldError } from "../../api/problem";
import type { Schema } from "../../api/types";
import { useWorkspaceInputs } from "../../api/workspaces";
import { Failure } from "../../components/Failure";
import { InputPicker, type Sources } from "../../components/InputPicker";

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

export default function NewAudience(props: Props) {
  return (
    <Modal
      opened
      onClose={props.onClose}
      title={props.kind === "lifetime" ? "New lifetime audience" : "New audience"}
      size="lg"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Form {...props} />
    </Modal>
  );
}

function Form({ kind, scope, onClose }: Props) {
  const [name, setName] = useState("");
  const [externalName, setExternalName] = useState("");
  const [sources, setSources] = useState<Sources>();
  const [range, setRange] = useState<Schema<"DateRange">>({});
  const known = useWorkspaceInputs();
  const create = useCreateAudience();
  const navigate = useNavigate();
  const isMulti = kind === "lifetime" || scope === "multi";
  const chosen = sources ?? firstOf(known.data ?? [], isMulti && kind !== "lifetime");
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
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
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label="Audience name"
          required
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={fieldError(create.error, "/name")}
          data-autofocus
          dir="auto"
        />
        <TextInput
          label="External name"
          description="What partners and receivers see; the audience name if you leave it empty."
          maxLength={100}
          value={externalName}
          onChange={(event) => setExternalName(event.currentTarget.value)}
          error={fieldError(create.error, "/external_name")}
          dir="auto"
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
            Date range: events of the last 30 days (or as many as your account keeps), and the latest values
            of profiles.
          </Text>
        )}
        <Failure error={known.error ?? create.error} shown={SHOWN} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            type="submit"
            loading={create.isPending}
            disabled={!name.trim() || chosen.inputs.length === 0}
          >
            Create
          </Button>
        </Group>
      </Stack>
    </form>
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
