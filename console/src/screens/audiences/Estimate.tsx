import { Anchor, Loader, Stack, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { Link } from "react-router";
import type { Preview } from "../../api/types";
import { Failure } from "../../components/Failure";
import { count, percent } from "../../components/format";
import { Interval } from "../../components/Interval";

interface Props {
  preview: UseQueryResult<Preview>;
  /** What is shown is that of an earlier definition. */
  isStale: boolean;
  hasDraft: boolean;
}

const MEMBERS_SHOWN = 5;

/** How many people the definition holds as it stands, and whom outputs could be told of. */
export function Estimate({ preview, isStale, hasDraft }: Props) {
  const { data, error } = preview;
  const isBusy = preview.isFetching || isStale;
  return (
    <section className="card is-padded" aria-label="Estimated size" aria-busy={isBusy} data-testid="estimate">
      <Text size="sm" fw={600}>
        Estimated size {isBusy && hasDraft && <Loader size={12} ml={6} />}
      </Text>
      {hasDraft && <Failure error={error} shown={["/definition"]} />}
      {data && hasDraft ? (
        <Stack gap="sm" style={{ opacity: isBusy ? 0.6 : 1 }}>
          <div role="status">
            <Text fz={34} fw={680} lh={1.2} className="figure">
              <span data-testid="estimate-size">{(data.is_exact ? "" : "~") + count(data.size)}</span>
            </Text>
            <Text size="sm" c="dimmed">
              {percent(data.population ? data.size / data.population : null)} of {count(data.population)}{" "}
              people
              {data.is_exact ? ", counted exactly" : `, between ${count(data.low)} and ${count(data.high)}`}
            </Text>
          </div>
          <Interval
            low={data.low}
            high={data.high}
            value={data.size}
            max={Math.max(data.population, data.high, 1)}
          />
          <Reach preview={data} />
          <Sample members={data.members_sample} />
        </Stack>
      ) : (
        <Text size="sm" c="dimmed" mt={4}>
          {hasDraft ? "Measuring..." : "Complete the definition to see how many people it holds."}
        </Text>
      )}
    </section>
  );
}

function Reach({ preview }: { preview: Preview }) {
  if (preview.reach.length === 0) return null;
  return (
    <div>
      <Text size="sm" fw={600}>
        Reach by output
      </Text>
      {preview.reach.map((each) => (
        <div
          key={each.output_id}
          style={{ display: "flex", justifyContent: "space-between", gap: 8, fontSize: 14 }}
        >
          <bdi className="one-line">{each.name}</bdi>
          <span className="figure">{count(each.size)}</span>
        </div>
      ))}
    </div>
  );
}

function Sample({ members }: { members: readonly string[] }) {
  if (members.length === 0) return null;
  return (
    <div>
      <Text size="sm" fw={600}>
        Some of them
      </Text>
      {members.slice(0, MEMBERS_SHOWN).map((mpid) => (
        <div key={mpid}>
          <Anchor component={Link} to={`/profiles/${mpid}`} size="sm" className="figure">
            {mpid}
          </Anchor>
        </div>
      ))}
    </div>
  );
}
