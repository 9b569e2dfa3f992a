import { Anchor, Badge, Button, Group, SegmentedControl, Stack, Table, Text, TextInput } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { Link } from "react-router";
import { useEditAudience } from "../../api/audiences";
import { useExplanation, useHistory, useMembers, useSizes } from "../../api/insights";
import { fieldError } from "../../api/problem";
import type { Audience } from "../../api/types";
import { useWorkspaceInputs } from "../../api/workspaces";
import { done } from "../../components/done";
import { ExplainTree } from "../../components/ExplainTree";
import { Failure } from "../../components/Failure";
import { count, percent, utc, words } from "../../components/format";
import { Loading } from "../../components/Loading";

const SizeChart = lazy(() => import("../../components/SizeChart"));

/** What the audience is and was, and who is in it and why. */
export default function DetailsTab({ audience }: { audience: Audience }) {
  const isRealTime = audience.kind === "real_time";
  return (
    <Stack>
      {isRealTime && audience.status === "active" && <Sizes audience={audience} />}
      <div className="halves">
        <Facts audience={audience} />
        <Names key={audience.version} audience={audience} />
      </div>
      {audience.size !== null && (
        <div className="halves">
          <Members audience={audience} />
          {isRealTime && <History audience={audience} />}
        </div>
      )}
    </Stack>
  );
}

const SPANS = [
  { value: "2", label: "2 days" },
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
];
const ROWS_SHOWN = 12;

function Sizes({ audience }: { audience: Audience }) {
  const [days, setDays] = useState("7");
  const { data, error } = useSizes(audience.id, Number(days));
  const changed = (data?.points ?? []).filter((each) => each.adds + each.drops > 0).slice(-ROWS_SHOWN);
  return (
    <section className="card is-padded" aria-label="Size over time">
      <Group justify="space-between" mb="sm">
        <Text fw={600}>Size over time</Text>
        <SegmentedControl size="xs" data={SPANS} value={days} onChange={setDays} aria-label="Span" />
      </Group>
      <Failure error={error} />
      {data ? (
        <Suspense fallback={<Loading />}>
          <SizeChart points={data.points} />
        </Suspense>
      ) : (
        <Loading />
      )}
      {data && !data.is_complete && (
        <Text size="sm" c="dimmed">
          So much happens in this audience that the chart reaches back to {utc(data.points[0]?.at)} UTC only.
        </Text>
      )}
      <details>
        <summary>
          <Text span size="sm">
            Adds and drops
          </Text>
        </summary>
        <div className="scroll-x">
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Until (UTC)</Table.Th>
                <Table.Th className="is-number">Adds</Table.Th>
                <Table.Th className="is-number">Drops</Table.Th>
                <Table.Th className="is-number">Size</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {changed.map((each) => (
                <Table.Tr key={each.at}>
                  <Table.Td className="figure">{utc(each.at)}</Table.Td>
                  <Table.Td className="is-number">{count(each.adds)}</Table.Td>
                  <Table.Td className="is-number">{count(each.drops)}</Table.Td>
                  <Table.Td className="is-number">{count(each.size)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      </details>
    </section>
  );
}

function Facts({ audience }: { audience: Audience }) {
  const known = useWorkspaceInputs();
  const inputs = (known.data ?? []).flatMap((each) =>
    each.inputs.filter((one) => audience.inputs.includes(one.id)),
  );
  const range = audience.date_range;
  const facts: [string, React.ReactNode][] = [
    ["Status", words(audience.status)],
    ["Creator", audience.created_by],
    ["Size", count(audience.size)],
    ["Adds, drops (24 h)", `${count(audience.adds_24h)}, ${count(audience.drops_24h)}`],
    ["Volatility (24 h)", percent(audience.volatility)],
    [
      "Date range",
      audience.kind === "lifetime"
        ? `${range?.start ?? "All data"}${range?.start || range?.end ? ` to ${range?.end ?? "the last day"}` : ""}`
        : "The account's look-back",
    ],
    ["Created", utc(audience.created_at)],
    ["Last modified", utc(audience.updated_at)],
    ["Inputs", inputs.map((each) => each.name).join(", ") || "--"],
    ["Active outputs", count(audience.connected_outputs)],
    ["A/B test", audience.ab_test ? "Running" : "None"],
  ];
  return (
    <section className="card is-padded" aria-label="Details">
      <dl className="facts">
        {facts.map(([name, value]) => (
          <Fact key={name} name={name} value={value} />
        ))}
      </dl>
    </section>
  );
}

function Fact({ name, value }: { name: string; value: React.ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd className="figure" dir="auto">
        {value}
      </dd>
    </>
  );
}

function Names({ audience }: { audience: Audience }) {
  const [name, setName] = useState(audience.name);
  const [external, setExternal] = useState(
    audience.external_name === audience.name ? "" : audience.external_name,
  );
  const edit = useEditAudience(audience.id);
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    edit.mutate(
      { version: audience.version, edit: { name: name.trim(), external_name: external.trim() } },
      { onSuccess: () => done("Saved") },
    );
  };
  return (
    <form className="card is-padded" onSubmit={submit}>
      <Stack>
        <TextInput
          label="Audience name"
          required
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={fieldError(edit.error, "/name")}
          dir="auto"
        />
        <TextInput
          label="External name"
          description="What partners and receivers see."
          placeholder={audience.name}
          maxLength={100}
          value={external}
          onChange={(event) => setExternal(event.currentTarget.value)}
          error={fieldError(edit.error, "/external_name")}
          dir="auto"
        />
        <Failure error={edit.error} shown={["/name", "/external_name"]} />
        <div>
          <Button type="submit" variant="default" loading={edit.isPending} disabled={!name.trim()}>
            Save names
          </Button>
        </div>
      </Stack>
    </form>
  );
}

function Members({ audience }: { audience: Audience }) {
  const found = useMembers(audience.id);
  const [mpid, setMpid] = useState<string | null>(null);
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section className="card is-padded" aria-label="Members">
      <Text fw={600} mb="xs">
        Members
      </Text>
      <Failure error={found.error} />
      {items.length === 0 && !found.isPending && (
        <Text size="sm" c="dimmed">
          Nobody is in it at the moment.
        </Text>
      )}
      <Table>
        <Table.Tbody>
          {items.map((each) => (
            <Table.Tr key={each.mpid}>
              <Table.Td>
                <Anchor component={Link} to={`/profiles/${each.mpid}`} size="sm" className="figure">
                  {each.mpid}
                </Anchor>
                <Text size="xs" c="dimmed">
                  since {utc(each.since)}
                </Text>
                {mpid === each.mpid && <Why audienceId={audience.id} mpid={each.mpid} />}
              </Table.Td>
              <Table.Td style={{ verticalAlign: "top", textAlign: "right" }}>
                {audience.kind === "real_time" && (
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    aria-expanded={mpid === each.mpid}
                    aria-label={`Why? ${each.mpid}`}
                    onClick={() => setMpid(mpid === each.mpid ? null : each.mpid)}
                  >
                    Why?
                  </Button>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {found.hasNextPage && (
        <Button variant="default" size="xs" mt="sm" onClick={() => void found.fetchNextPage()}>
          Show more
        </Button>
      )}
    </section>
  );
}

export function Why({ audienceId, mpid }: { audienceId: number; mpid: string }) {
  const { data, error } = useExplanation(audienceId, mpid);
  if (error) return <Failure error={error} />;
  return data ? <ExplainTree explanation={data} /> : <Loading />;
}

const REASONS: Readonly<Record<string, string>> = {
  event: "an event",
  attribute: "an attribute",
  identity: "an identity",
  time: "time passing",
  backfill: "the first calculation",
  edit: "an edit",
  deletion: "the profile's removal",
};

function History({ audience }: { audience: Audience }) {
  const found = useHistory(audience.id);
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section className="card is-padded" aria-label="History">
      <Text fw={600} mb="xs">
        Joins and leaves
      </Text>
      <Failure error={found.error} />
      {items.length === 0 && !found.isPending && (
        <Text size="sm" c="dimmed">
          Nothing has happened yet.
        </Text>
      )}
      <Table>
        <Table.Tbody>
          {items.map((each) => (
            <Table.Tr key={each.at + each.mpid + each.change}>
              <Table.Td>
                <Badge variant="light" color={each.change === "joined" ? "green" : "red"}>
                  {each.change}
                </Badge>
              </Table.Td>
              <Table.Td>
                <Anchor component={Link} to={`/profiles/${each.mpid}`} size="sm" className="figure">
                  {each.mpid}
                </Anchor>
                <Text size="xs" c="dimmed">
                  {utc(each.at)} by {REASONS[each.reason] ?? each.reason}
                </Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {found.hasNextPage && (
        <Button variant="default" size="xs" mt="sm" onClick={() => void found.fetchNextPage()}>
          Show more
        </Button>
      )}
    </section>
  );
}
