import { Button, Group, Select, Stack, Switch, TagsInput, Text } from "@mantine/core";
import { useState } from "react";
import { useAbTest } from "../../api/abTests";
import { useConnect } from "../../api/outputs";
import { fieldError } from "../../api/problem";
import type { Connector, Output } from "../../api/types";
import { useSuggestionsOf } from "../../builder/suggestions";
import { done } from "../../components/done";
import { Failure } from "../../components/Failure";
import { identityNames } from "../../components/identities";
import { entered, SchemaForm, type Values } from "../../components/SchemaForm";
import type { Connectable } from "./connectable";
import { NoOutputs } from "./NoOutputs";

interface Props {
  audience: Connectable;
  outputs: readonly Output[];
  connectors: readonly Connector[];
  onDone: () => void;
}

const EVERYBODY = "";

/** Which output, which part of the audience, and the settings of the pair. */
export function ConnectionForm({ audience, outputs, connectors, onDone }: Props) {
  const [outputId, setOutputId] = useState<string | null>(
    outputs.length === 1 ? (outputs[0]?.id ?? null) : null,
  );
  const [variant, setVariant] = useState(EVERYBODY);
  const [values, setValues] = useState<Values>({});
  const [attributes, setAttributes] = useState<{ account: string[]; workspace: string[] }>({
    account: [],
    workspace: [],
  });
  const [isSending, setSending] = useState(true);
  const connect = useConnect(audience.id);
  const output = outputs.find((each) => each.id === outputId);
  const connector = connectors.find((each) => each.kind === output?.connector);
  if (outputs.length === 0) return <NoOutputs />;
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    connect.mutate(
      {
        output_id: outputId ?? "",
        settings: entered(values),
        ...(variant !== EVERYBODY && { variant }),
        ...(connector?.accepts_attributes && { attributes }),
        // A lifetime audience is sent when somebody asks.
        ...(audience.kind === "real_time" && { status: isSending ? "active" : "inactive" }),
      },
      {
        onSuccess: () => {
          done("Connected");
          onDone();
        },
      },
    );
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Select
          label="Output configuration"
          required
          data={outputs.map((each) => ({ value: each.id, label: each.name }))}
          value={outputId}
          onChange={(chosen) => {
            setOutputId(chosen);
            setValues({});
            connect.reset();
          }}
          searchable
          error={fieldError(connect.error, "/output_id")}
        />
        {connector && (
          <Text size="sm" c="dimmed">
            {connector.name} accepts: {identityNames(connector.identity_types)}.
          </Text>
        )}
        {audience.ab_test && (
          <VariantChoice audience={audience} value={variant} onChange={setVariant} error={connect.error} />
        )}
        {connector && (
          <SchemaForm
            schema={connector.connection_settings}
            values={values}
            onChange={setValues}
            errorOf={(name) => fieldError(connect.error, `/settings/${name}`)}
          />
        )}
        {connector?.accepts_attributes && audience.inputs.length > 0 && (
          <SharedAttributes audience={audience} value={attributes} onChange={setAttributes} />
        )}
        {audience.kind === "real_time" && (
          <Switch
            label="Sending"
            description="Switch it off to choose more before the partner is told anything."
            checked={isSending}
            onChange={(event) => setSending(event.currentTarget.checked)}
          />
        )}
        <Failure error={connect.error} shown={["/settings", "/output_id", "/variant"]} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onDone}>
            Cancel
          </Button>
          <Button type="submit" loading={connect.isPending} disabled={!outputId}>
            Add connection
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function VariantChoice({
  audience,
  value,
  onChange,
  error,
}: {
  audience: Connectable;
  value: string;
  onChange: (name: string) => void;
  error: unknown;
}) {
  const test = useAbTest(audience.id);
  const names = test.data?.variants.map((each) => each.name) ?? [];
  return (
    <Select
      label="Variation"
      data={[
        { value: EVERYBODY, label: "The full audience" },
        ...names.map((name) => ({ value: name, label: name })),
      ]}
      value={value}
      onChange={(chosen) => onChange(chosen ?? EVERYBODY)}
      allowDeselect={false}
      error={fieldError(error, "/variant")}
    />
  );
}

interface Shared {
  account: string[];
  workspace: string[];
}

const MAX_ATTRIBUTES = 40;

function SharedAttributes({
  audience,
  value,
  onChange,
}: {
  audience: Connectable;
  value: Shared;
  onChange: (value: Shared) => void;
}) {
  const known = useSuggestionsOf({ workspaces: audience.workspaces, inputs: audience.inputs });
  const count = value.account.length + value.workspace.length;
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Text size="sm" fw={500}>
          User attributes to share ({count} of {MAX_ATTRIBUTES})
        </Text>
        <Button
          variant="subtle"
          size="compact-xs"
          disabled={count === 0}
          onClick={() => onChange({ account: [], workspace: [] })}
        >
          Clear all
        </Button>
      </Group>
      <TagsInput
        label="Account level"
        description="The latest value in any workspace."
        data={known.data?.account_attributes.map((each) => each.name) ?? []}
        value={value.account}
        onChange={(account) => onChange({ ...value, account })}
        maxTags={MAX_ATTRIBUTES - value.workspace.length}
      />
      <TagsInput
        label="Workspace level"
        description="Values of the audience's own workspaces only."
        data={known.data?.user_attributes.map((each) => each.name) ?? []}
        value={value.workspace}
        onChange={(workspace) => onChange({ ...value, workspace })}
        maxTags={MAX_ATTRIBUTES - value.account.length}
      />
    </Stack>
  );
}
