import { Button, Group, Progress, Select, Table, Text } from "@mantine/core";
import { useState } from "react";
import { useParams } from "react-router";
import { isUnderWay, useJob, useJobAct, useJobs } from "../../api/jobs";
import type { Job, Schema } from "../../api/types";
import { Failure, ScreenFailure } from "../../components/Failure";
import { count, percent, utc, words } from "../../components/format";
import { Listed } from "../../components/Listed";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { Results } from "../../components/Results";
import { StatusBadge } from "../../components/StatusBadge";

type State = Schema<"JobState">;
const COLUMNS = ["Job", "State", "Progress", "Created (UTC)", "Ended (UTC)"];
const STATES: readonly State[] = ["queued", "running", "succeeded", "failed", "cancelled", "dead"];

/** Long work, the latest first; one job alone when its id is in the address. */
export default function JobsScreen() {
  const { jobId } = useParams();
  return jobId ? <One id={jobId} /> : <All />;
}

function All() {
  const [state, setState] = useState<State | null>(null);
  const found = useJobs(state ?? undefined);
  return (
    <div className="page">
      <PageHead
        title="Jobs"
        says={<Text c="dimmed">Long work: how far it is, what came of it, and starting it again.</Text>}
      />
      <div className="toolbar">
        <Select
          aria-label="State"
          placeholder="State: all"
          data={STATES.map((each) => ({ value: each, label: words(each) }))}
          value={state}
          onChange={(chosen) => setState(chosen as State | null)}
          clearable
          w={170}
        />
      </div>
      <Listed
        label="Jobs"
        found={found}
        items={found.data?.pages.flatMap((page) => page.items) ?? []}
        empty={{
          title: "No job to show",
          says: "Filling an audience, connecting many, exports and calculations appear here while they work and after.",
        }}
        columns={COLUMNS}
        row={(each) => <Row key={each.id} job={each} />}
      />
    </div>
  );
}

function Row({ job }: { job: Job }) {
  return (
    <Table.Tr>
      <Table.Td>
        {words(job.kind)}
        <Text size="xs" c="dimmed">
          {job.id}
        </Text>
        {job.error && (
          <Text size="xs" c={job.state === "cancelled" ? "dimmed" : "red"}>
            {job.error}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <StatusBadge status={job.state} />
      </Table.Td>
      <Table.Td miw={130}>
        <Progress
          value={job.progress * 100}
          aria-label={`Progress of ${job.id}`}
          animated={isUnderWay(job.state)}
        />
        <Text size="xs" className="figure">
          {percent(job.progress)}
        </Text>
      </Table.Td>
      <Table.Td className="figure">{utc(job.created_at)}</Table.Td>
      <Table.Td className="figure">{utc(job.ended_at)}</Table.Td>
      <Table.Td>
        <Acts job={job} />
      </Table.Td>
    </Table.Tr>
  );
}

function Acts({ job }: { job: Job }) {
  const act = useJobAct();
  return (
    <Group justify="flex-end" gap="xs" wrap="nowrap">
      <Failure error={act.error} />
      {isUnderWay(job.state) && (
        <Button
          size="compact-sm"
          variant="default"
          loading={act.isPending}
          onClick={() => act.mutate({ id: job.id, act: "cancel" })}
        >
          Cancel
        </Button>
      )}
      {job.can_restart && (
        <Button
          size="compact-sm"
          loading={act.isPending}
          onClick={() => act.mutate({ id: job.id, act: "restart" })}
        >
          Restart
        </Button>
      )}
    </Group>
  );
}

function One({ id }: { id: string }) {
  const { data: job, error } = useJob(id);
  if (error && !job) return <ScreenFailure error={error} what="job" />;
  if (!job) return <Loading />;
  return (
    <div className="page">
      <PageHead title={words(job.kind)} says={<Text c="dimmed">{job.id}</Text>}>
        <Acts job={job} />
      </PageHead>
      <div className="card is-padded">
        <Group mb="sm">
          <StatusBadge status={job.state} />
          <Text size="sm">{percent(job.progress)}</Text>
        </Group>
        <Progress value={job.progress * 100} aria-label="Progress" animated={isUnderWay(job.state)} mb="md" />
        {job.error && (
          <Text c="red" size="sm">
            {job.error}
          </Text>
        )}
        {job.steps.map((step) => (
          <Text key={step.step} size="sm">
            {words(step.step)}: {percent(step.progress)}, {count(step.looked_at)} looked at,{" "}
            {count(step.written)} written
            {step.errors.length > 0 && ` (${step.errors.join("; ")})`}
          </Text>
        ))}
        <Results results={job.results} />
      </div>
    </div>
  );
}
