import { Button, Group, NumberInput, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";
import { useAbTest, useEndTest, useSplit } from "../../api/abTests";
import { fieldError } from "../../api/problem";
import type { AbTest, Audience } from "../../api/types";
import { Remove } from "../../builder/fields";
import { Confirm } from "../../components/Confirm";
import { done } from "../../components/done";
import { Empty } from "../../components/Empty";
import { Failure } from "../../components/Failure";
import { count, utc } from "../../components/format";
import { Loading } from "../../components/Loading";
import { SplitBar } from "../../components/SplitBar";
import { Outcomes } from "./Outcomes";

const MAX_VARIATIONS = 5;
const RULES =
  "Up to 5 variations of whole percentages. Control gets the rest. The split cannot be changed afterwards.";

/** The audience split for a test, and who did what. */
export default function AbTestTab({ audience }: { audience: Audience }) {
  const test = useAbTest(audience.id, audience.ab_test);
  if (!audience.ab_test) return <NewTest audience={audience} />;
  if (!test.data) return test.error ? <Failure error={test.error} /> : <Loading />;
  return <Running audience={audience} test={test.data} />;
}

interface Draft {
  name: string;
  percentage: number;
}

function NewTest({ audience }: { audience: Audience }) {
  const [variations, setVariations] = useState<Draft[]>([]);
  const split = useSplit(audience.id);
  const used = variations.reduce((sum, each) => sum + each.percentage, 0);
  const named = variations.map((each, place) => ({
    ...each,
    name: each.name.trim() || `Variation ${String.fromCharCode(65 + place)}`,
  }));
  const isTooMuch = used > 100;
  const add = () =>
    setVariations([...variations, { name: "", percentage: Math.max(1, Math.min(20, 100 - used)) }]);
  const put = (place: number, change: Partial<Draft>) =>
    setVariations(variations.map((each, at) => (at === place ? { ...each, ...change } : each)));
  if (variations.length === 0) {
    return (
      <div className="card">
        <Empty
          title="Compare what works"
          says="Split the audience into variations, connect each to another partner or message, and see which group does more of what you hope for."
        >
          <Button leftSection={<IconPlus size={17} />} onClick={add}>
            Add A/B test variation
          </Button>
        </Empty>
      </div>
    );
  }
  return (
    <Stack className="card is-padded">
      <Text size="sm" c="dimmed">
        {RULES}
      </Text>
      <SplitBar
        parts={[...named, { name: "Control", percentage: Math.max(0, 100 - used), is_control: true }]}
      />
      {variations.map((each, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a variation is its place
        <Group key={place} align="flex-end" gap="sm">
          <TextInput
            label={`Name of variation ${place + 1}`}
            placeholder={named[place]?.name}
            maxLength={100}
            value={each.name}
            onChange={(event) => put(place, { name: event.currentTarget.value })}
            error={fieldError(split.error, `/variations/${place}/name`)}
            dir="auto"
          />
          <NumberInput
            label="Percentage"
            min={1}
            max={100}
            allowDecimal={false}
            suffix="%"
            w={120}
            value={each.percentage}
            onChange={(value) => typeof value === "number" && put(place, { percentage: value })}
            error={
              fieldError(split.error, `/variations/${place}/percentage`) ??
              (isTooMuch && place === variations.length - 1 ? "More than 100 % together" : undefined)
            }
          />
          <Remove
            label={`Remove variation ${place + 1}`}
            onClick={() => setVariations(variations.toSpliced(place, 1))}
          />
        </Group>
      ))}
      <Text size="sm">
        Control: <b className="figure">{Math.max(0, 100 - used)}%</b>
      </Text>
      <Failure error={split.error} shown={variations.flatMap((_, place) => [`/variations/${place}`])} />
      <Group>
        <Button
          variant="default"
          leftSection={<IconPlus size={16} />}
          onClick={add}
          disabled={variations.length >= MAX_VARIATIONS || used >= 100}
        >
          Add variation
        </Button>
        <Button
          loading={split.isPending}
          disabled={isTooMuch}
          onClick={() =>
            split.mutate({ variations: named }, { onSuccess: () => done("The audience is split") })
          }
        >
          Save split
        </Button>
      </Group>
    </Stack>
  );
}

function Running({ audience, test }: { audience: Audience; test: AbTest }) {
  const end = useEndTest(audience.id);
  const [isEnding, setEnding] = useState(false);
  return (
    <Stack>
      <Stack className="card is-padded">
        <Group justify="space-between">
          <Text size="sm" c="dimmed">
            Running since {utc(test.created_at)} UTC
          </Text>
          <Group>
            <Button component={Link} to={`/audiences/${audience.id}/connect`} variant="default" size="sm">
              Connect variations
            </Button>
            <Button color="red" variant="light" onClick={() => setEnding(true)}>
              Delete test
            </Button>
          </Group>
        </Group>
        <SplitBar parts={test.variants} />
        <div className="scroll-x">
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Variation</Table.Th>
                <Table.Th className="is-number">Share</Table.Th>
                <Table.Th className="is-number">Members</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {test.variants.map((each) => (
                <Table.Tr key={each.id}>
                  <Table.Td dir="auto">{each.name}</Table.Td>
                  <Table.Td className="is-number">{each.percentage}%</Table.Td>
                  <Table.Td className="is-number">{count(each.size)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      </Stack>
      <Outcomes audience={audience} test={test} />
      <Confirm
        opened={isEnding}
        title="Delete this test?"
        says="All variations go, and the connections that were set up for them."
        button="Delete test"
        isBusy={end.isPending}
        error={end.error}
        onClose={() => setEnding(false)}
        onConfirm={() => end.mutate(test.version, { onSuccess: () => setEnding(false) })}
      />
    </Stack>
  );
}
