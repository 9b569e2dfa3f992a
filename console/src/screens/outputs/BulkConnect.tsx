import { Button, Checkbox, Group, Modal, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { useAudienceChoices } from "../../api/audiences";
import { isUnderWay, useJob } from "../../api/jobs";
import { useBulkConnect } from "../../api/outputs";
import { fieldError } from "../../api/problem";
import type { AudienceRow, Connector, Output } from "../../api/types";
import { Failure } from "../../components/Failure";
import { JobProgress } from "../../components/JobProgress";
import { Results } from "../../components/Results";
import { entered, SchemaForm, type Values } from "../../components/SchemaForm";

interface Props {
  output: Output;
  connector: Connector;
  onClose: () => void;
}

/** Many audiences, one set of settings, a result for each. */
export function BulkConnect({ output, connector, onClose }: Props) {
  const [chosen, setChosen] = useState<readonly number[]>([]);
  const [isNext, setNext] = useState(false);
  const [values, setValues] = useState<Values>({});
  const [isSending, setSending] = useState(true);
  const connect = useBulkConnect(output.id);
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    connect.mutate({
      audience_ids: [...chosen],
      settings: entered(values),
      status: isSending ? "active" : "inactive",
    });
  };
  return (
    <Modal opened onClose={onClose} title={`Connect audiences to ${output.name}`} size="lg">
      {connect.data ? (
        <Outcome jobId={connect.data.id} onClose={onClose} />
      ) : isNext ? (
        <form onSubmit={submit}>
          <Stack>
            <Text size="sm">One set of settings applies to all {chosen.length} audiences.</Text>
            <SchemaForm
              schema={connector.connection_settings}
              values={values}
              onChange={setValues}
              errorOf={(name) => fieldError(connect.error, `/settings/${name}`)}
            />
            <Switch
              label="Sending"
              checked={isSending}
              onChange={(event) => setSending(event.currentTarget.checked)}
            />
            <Failure error={connect.error} shown={["/settings"]} />
            <Group justify="flex-end">
              <Button variant="default" onClick={() => setNext(false)}>
                Back
              </Button>
              <Button type="submit" loading={connect.isPending}>
                Connect
              </Button>
            </Group>
          </Stack>
        </form>
      ) : (
        <Choose chosen={chosen} onChange={setChosen} onNext={() => setNext(true)} />
      )}
    </Modal>
  );
}

interface ChooseProps {
  chosen: readonly number[];
  onChange: (chosen: readonly number[]) => void;
  onNext: () => void;
}

function Choose({ chosen, onChange, onNext }: ChooseProps) {
  const [text, setText] = useState("");
  const [q] = useDebouncedValue(text, 250);
  const found = useAudienceChoices({ q, sort: "name" });
  const items = found.data?.items ?? [];
  const isAll = items.length > 0 && items.every((each) => chosen.includes(each.id));
  const toggle = (id: number, isOn: boolean) =>
    onChange(isOn ? [...chosen, id] : chosen.filter((each) => each !== id));
  const toggleAll = (isOn: boolean) => {
    const ids = items.map((each) => each.id);
    onChange(isOn ? [...new Set([...chosen, ...ids])] : chosen.filter((each) => !ids.includes(each)));
  };
  return (
    <Stack>
      <TextInput
        label="Search audiences"
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        data-autofocus
      />
      <Failure error={found.error} />
      <Checkbox
        label={`All ${items.length} shown`}
        checked={isAll}
        onChange={(event) => toggleAll(event.currentTarget.checked)}
      />
      <Stack gap={6} mah={320} style={{ overflowY: "auto" }}>
        {items.map((each) => (
          <Checkbox
            key={each.id}
            label={<Label audience={each} />}
            checked={chosen.includes(each.id)}
            onChange={(event) => toggle(each.id, event.currentTarget.checked)}
          />
        ))}
      </Stack>
      <Group justify="space-between">
        <Text size="sm">{chosen.length} chosen</Text>
        <Button disabled={chosen.length === 0} onClick={onNext}>
          Next
        </Button>
      </Group>
    </Stack>
  );
}

function Label({ audience }: { audience: AudienceRow }) {
  return (
    <>
      <bdi>{audience.name}</bdi>{" "}
      <Text span size="xs" c="dimmed">
        {audience.id}, {audience.status}
        {audience.ab_test && ", A/B test"}
      </Text>
    </>
  );
}

function Outcome({ jobId, onClose }: { jobId: string; onClose: () => void }) {
  const { data } = useJob(jobId);
  const count = (isGood: boolean) =>
    (data?.results ?? []).filter((each) => ["connected", "already_connected"].includes(each.code) === isGood)
      .length;
  return (
    <Stack>
      <JobProgress id={jobId} label="Connecting" />
      {data && !isUnderWay(data.state) && (
        <Text size="sm" role="status" data-testid="bulk-outcome">
          {count(true)} connected, {count(false)} not.
        </Text>
      )}
      <Results results={data?.results ?? []} />
      <Group justify="flex-end">
        <Button onClick={onClose}>Done</Button>
      </Group>
    </Stack>
  );
}
