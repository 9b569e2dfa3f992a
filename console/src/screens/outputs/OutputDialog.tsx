import { Alert, Code, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useSaveOutput } from "../../api/outputs";
import { fieldError } from "../../api/problem";
import type { Connector, Output } from "../../api/types";
import { done } from "../../components/done";
import { FormDialog } from "../../components/FormDialog";
import { NameField } from "../../components/NameField";
import { entered, SchemaForm, type Values } from "../../components/SchemaForm";
import { LogIn } from "./LogIn";

interface Props {
  connector: Connector;
  /** Absent: a new one. */
  output?: Output;
  onClose: () => void;
}

const SHOWN = ["/name", "/settings", "/contact_email"];

/** Configuration settings: what a partner needs, entered or logged in for. */
export function OutputDialog({ connector, output, onClose }: Props) {
  const [saved, setSaved] = useState<Output | undefined>(output);
  const [name, setName] = useState(output?.name ?? connector.name);
  const [contact, setContact] = useState(output?.contact_email ?? "");
  const [values, setValues] = useState<Values>(output?.settings ?? {});
  const [secrets, setSecrets] = useState<Record<string, string>>({});
  const save = useSaveOutput();
  const submit = () =>
    save.mutate(
      {
        known: saved,
        output: {
          connector: connector.kind,
          name: name.trim(),
          settings: entered(values),
          ...(contact.trim() && { contact_email: contact.trim() }),
        },
      },
      {
        onSuccess: (made) => {
          done("Saved");
          setSaved(made);
          setSecrets(made.generated ?? {});
          const isOver = Object.keys(made.generated ?? {}).length === 0;
          if (isOver && !(connector.has_log_in && !made.is_logged_in)) onClose();
        },
      },
    );
  return (
    <FormDialog
      title={output ? `Settings of ${output.name}` : `Add ${connector.name} to Setup`}
      button="Save"
      leave={saved && !output ? "Close" : "Cancel"}
      size="lg"
      isBusy={save.isPending}
      isReady={name.trim() !== ""}
      error={save.error}
      shown={SHOWN}
      onClose={onClose}
      onSubmit={submit}
    >
      <NameField
        label="Configuration name"
        required
        value={name}
        onChange={setName}
        error={fieldError(save.error, "/name")}
        data-autofocus
      />
      <SchemaForm
        schema={connector.output_settings}
        values={values}
        onChange={setValues}
        errorOf={(field) => fieldError(save.error, `/settings/${field}`)}
        isEdit={saved !== undefined}
      />
      <TextInput
        type="email"
        label="Who is told of faults"
        description="The account's contact if you leave it empty."
        value={contact}
        onChange={(event) => setContact(event.currentTarget.value)}
        error={fieldError(save.error, "/contact_email")}
      />
      {connector.has_log_in && saved && <LogIn connector={connector} output={saved} />}
      {connector.has_log_in && !saved && (
        <Text size="sm" c="dimmed">
          Save it, and you can log in at {connector.name} instead of entering a key.
        </Text>
      )}
      <Generated secrets={secrets} />
    </FormDialog>
  );
}

function Generated({ secrets }: { secrets: Record<string, string> }) {
  const entries = Object.entries(secrets);
  if (entries.length === 0) return null;
  return (
    <Alert color="yellow" title="Copy this now: it is not shown again">
      {entries.map(([name, value]) => (
        <div key={name}>
          <Text size="sm">{name.replaceAll("_", " ")}</Text>
          <Code block>{value}</Code>
        </div>
      ))}
    </Alert>
  );
}
