import { Badge, Box, Button, Group, Progress, Select, Stack, Table, Text } from "@mantine/core";
import { useMemo, useState } from "react";
import { useMeasure, useOutcomes } from "../../api/abTests";
import { isUnderWay } from "../../api/jobs";
import type { AbTest, Audience, Outcomes as Measured, Schema } from "../../api/types";
import { Builder } from "../../builder/Builder";
import { missingIn } from "../../builder/criteria";
import { NO_SUGGESTIONS, useSuggestionsOf } from "../../builder/suggestions";
import { leavesOf, letter, newId, ruleOf, type Group as Tree, toDefinition } from "../../builder/tree";
import { Failure } from "../../components/Failure";
import { count, percent, UNKNOWN, utc } from "../../components/format";

/** What counts as a conversion, and how many of each variation did it. */
export function Outcomes({ audience, test }: { audience: Audience; test: AbTest }) {
  const found = useOutcomes(audience.id);
  const [isAsking, setAsking] = useState(false);
  const items = found.data ?? [];
  return (
    <Stack className="card is-padded">
      <Group justify="space-between">
        <Text fw={600}>Outcomes</Text>
        {!isAsking && (
          <Button size="sm" onClick={() => setAsking(true)}>
            Measure outcomes
          </Button>
        )}
      </Group>
      {isAsking && <Ask audience={audience} test={test} onDone={() => setAsking(false)} />}
      <Failure error={found.error} />
      {items.length === 0 && !isAsking && (
        <Text size="sm" c="dimmed">
          Say what you hope people do, such as a purchase, and how many of each variation did it is counted,
          with the range in which the true rate lies 95 times in 100.
        </Text>
      )}
      {items.map((each) => (
        <Result key={each.id} outcomes={each} />
      ))}
    </Stack>
  );
}

function Ask({ audience, test, onDone }: { audience: Audience; test: AbTest; onDone: () => void }) {
  const [tree, setTree] = useState<Tree>(() => ({
    id: newId(),
    combinator: "and",
    not: false,
    rules: [ruleOf({ type: "event", event: { kind: "commerce_event", name: "purchase" } })],
  }));
  const [baseline, setBaseline] = useState(test.variants.find((each) => each.is_control)?.name ?? "");
  const suggestions = useSuggestionsOf({ workspaces: audience.workspaces, inputs: audience.inputs });
  const measure = useMeasure(audience.id);
  const written = useMemo(() => toDefinition(tree), [tree]);
  const isComplete = written !== null && leavesOf(tree).every((each) => !missingIn(each.value.leaf));
  const letters = new Map(leavesOf(tree).map((each, place) => [each.id ?? "", letter(place)]));
  const submit = () => {
    if (!written) return;
    const criterion: Schema<"NewMeasurement">["criterion"] = { version: 1, root: written.root };
    measure.mutate({ criterion, baseline }, { onSuccess: onDone });
  };
  return (
    <Stack>
      <Text size="sm">A conversion is:</Text>
      <Builder
        value={tree}
        onChange={setTree}
        notes={{ letters, findings: new Map(), errors: new Map(), isStrict: false }}
        suggestions={suggestions.data ?? NO_SUGGESTIONS}
      />
      <Select
        label="Compare with"
        data={test.variants.map((each) => each.name)}
        value={baseline}
        onChange={(chosen) => chosen && setBaseline(chosen)}
        allowDeselect={false}
        w={240}
      />
      <Failure error={measure.error} />
      <Group>
        <Button loading={measure.isPending} disabled={!isComplete} onClick={submit}>
          Count
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </Group>
    </Stack>
  );
}

const VERDICTS = { better: "green", worse: "red", undecided: "gray" } as const;

function Result({ outcomes }: { outcomes: Measured }) {
  const most = Math.max(
    0.01,
    ...(outcomes.variants ?? []).map((each) => each.rate_interval?.high ?? each.rate ?? 0),
  );
  return (
    <div data-testid="outcomes">
      <Text size="sm" c="dimmed">
        From {utc(outcomes.from)} to {utc(outcomes.to)} UTC, compared with <bdi>{outcomes.baseline}</bdi>
      </Text>
      {isUnderWay(outcomes.state) && (
        <Progress value={outcomes.progress * 100} animated aria-label="Counting" mt="xs" />
      )}
      {outcomes.error && (
        <Text size="sm" c="red">
          {outcomes.error}
        </Text>
      )}
      {outcomes.variants && (
        <Box className="scroll-x" role="region" aria-label="Outcomes by variation" tabIndex={0}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Variation</Table.Th>
                <Table.Th className="is-number">Users</Table.Th>
                <Table.Th className="is-number">Converted</Table.Th>
                <Table.Th>Rate, with 95 % interval</Table.Th>
                <Table.Th className="is-number">Difference</Table.Th>
                <Table.Th className="is-number">Lift, with 95 % interval</Table.Th>
                <Table.Th>Verdict</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {outcomes.variants.map((each) => (
                <Table.Tr key={each.id}>
                  <Table.Td dir="auto">{each.name}</Table.Td>
                  <Table.Td className="is-number">{count(each.users)}</Table.Td>
                  <Table.Td className="is-number">{count(each.converted)}</Table.Td>
                  <Table.Td>
                    <Rate variant={each} most={most} />
                  </Table.Td>
                  <Table.Td className="is-number">
                    {each.comparison ? signed(each.comparison.difference) : UNKNOWN}
                  </Table.Td>
                  <Table.Td className="is-number">
                    {each.comparison ? <Lift of={each.comparison} /> : UNKNOWN}
                  </Table.Td>
                  <Table.Td>
                    {each.comparison ? (
                      <Badge variant="light" color={VERDICTS[each.comparison.verdict]}>
                        {each.comparison.verdict}
                      </Badge>
                    ) : (
                      UNKNOWN
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Box>
      )}
    </div>
  );
}

function Rate({ variant, most }: { variant: Schema<"VariantOutcomeView">; most: number }) {
  const { rate, rate_interval: range } = variant;
  if (rate === null || !range) return UNKNOWN;
  const place = (value: number) => `${(100 * value) / most}%`;
  return (
    <div>
      <span className="figure">
        {percent(rate)}{" "}
        <Text span size="xs" c="dimmed">
          {percent(range.low)} to {percent(range.high)}
        </Text>
      </span>
      <div className="outcome" aria-hidden>
        <div
          className="outcome-range"
          style={{ left: place(range.low), width: place((range.high ?? rate) - range.low) }}
        />
        <div className="outcome-rate" style={{ left: place(rate) }} />
      </div>
    </div>
  );
}

/** The difference as a share of what the variation compared with reaches; of nothing there is no share. */
function Lift({ of }: { of: Schema<"ComparisonView"> }) {
  const { low, high } = of.lift_interval;
  if (of.lift === null) return UNKNOWN;
  return (
    <>
      {signed(of.lift)}
      <Text size="xs" c="dimmed">
        {signed(low)} to {signed(high)}
      </Text>
    </>
  );
}

function signed(value: number | null): string {
  if (value === null) return "no limit";
  return `${value > 0 ? "+" : ""}${percent(value)}`;
}
