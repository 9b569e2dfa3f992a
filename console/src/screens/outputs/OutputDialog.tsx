import { Alert, Button, Code, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useSaveOutput } from "../../api/outputs";
import { fieldError } from "../../api/problem";
import type { Connector, Output } from "../../api/types";
import { done } from "../../components/done";
import { Failure } from "../../components/Failure";
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
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
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
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={output ? `Settings of ${output.name}` : `Add ${connector.name} to Setup`}
      size="lg"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form onSubmit={submit} autoComplete="off">
        <Stack>
          <TextInput
            label="Configuration name"
            required
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={fieldError(save.error, "/name")}
            dir="auto"
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
          <Failure error={save.error} shown={SHOWN} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {saved && !output ? "Close" : "Cancel"}
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
