import { Anchor, Badge, Button, Group, SegmentedControl, Stack, Table, Text } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { Link } from "react-router";
import { useEditAudience } from "../../api/audiences";
import { useHistory, useMembers, useSizes } from "../../api/insights";
import { fieldError } from "../../api/problem";
import type { Audience } from "../../api/types";
import { useWorkspaceInputs } from "../../api/workspaces";
import { done } from "../../components/done";
import { type Fact, Facts } from "../../components/Facts";
import { Failure } from "../../components/Failure";
import { count, percent, utc, words } from "../../components/format";
import { type Found, ShowMore } from "../../components/Listed";
import { Loading } from "../../components/Loading";
import { NameField } from "../../components/NameField";
import { Section } from "../../components/Section";
import { WhyRow } from "../../components/WhyRow";

const SizeChart = lazy(() => import("../../components/SizeChart"));

/** What the audience is and was, and who is in it and why. */
export default function DetailsTab({ audience }: { audience: Audience }) {
  const isRealTime = audience.kind === "real_time";
  return (
    <Stack>
      {isRealTime && audience.status === "active" && <Sizes audience={audience} />}
      <div className="halves">
        <Known audience={audience} />
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

function Known({ audience }: { audience: Audience }) {
  const known = useWorkspaceInputs();
  const inputs = (known.data ?? []).flatMap((each) =>
    each.inputs.filter((one) => audience.inputs.includes(one.id)),
  );
  const range = audience.date_range;
  const facts: Fact[] = [
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
    <Section title="Details">
      <Facts facts={facts} />
    </Section>
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
        <NameField
          label="Audience name"
          required
          value={name}
          onChange={setName}
          error={fieldError(edit.error, "/name")}
        />
        <NameField
          label="External name"
          description="What partners and receivers see."
          placeholder={audience.name}
          value={external}
          onChange={setExternal}
          error={fieldError(edit.error, "/external_name")}
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
  const isExplained = audience.kind === "real_time";
  return (
    <Pages title="Members" found={found} empty="Nobody is in it at the moment.">
      {found.data?.pages
        .flatMap((page) => page.items)
        .map(({ mpid, since }) => (
          <WhyRow
            key={mpid}
            to={`/profiles/${mpid}`}
            name={mpid}
            says={`since ${utc(since)}`}
            membership={isExplained ? { audienceId: audience.id, mpid } : undefined}
          />
        ))}
    </Pages>
  );
}

interface PagesProps {
  title: string;
  found: Found;
  empty: string;
  children?: readonly React.ReactNode[];
}

function Pages({ title, found, empty, children = [] }: PagesProps) {
  return (
    <Section title={title}>
      <Failure error={found.error} />
      {children.length === 0 && !found.isPending && (
        <Text size="sm" c="dimmed">
          {empty}
        </Text>
      )}
      <Table>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
      <ShowMore found={found} />
    </Section>
  );
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
  return (
    <Pages title="Joins and leaves" found={found} empty="Nothing has happened yet.">
      {found.data?.pages
        .flatMap((page) => page.items)
        .map((each) => (
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
    </Pages>
  );
}
