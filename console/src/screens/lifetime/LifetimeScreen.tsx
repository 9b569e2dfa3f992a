import { Button, Checkbox, Group, Stack, Text } from "@mantine/core";
import { IconCalculator, IconPlus } from "@tabler/icons-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { Link } from "react-router";
import { useAudienceChoices, useAudiences } from "../../api/audiences";
import { useCalculate, useQuota } from "../../api/lifetime";
import { isProblem } from "../../api/problem";
import type { AudienceRow } from "../../api/types";
import { NotFound } from "../../app/NotFound";
import { done } from "../../components/done";
import { Empty } from "../../components/Empty";
import { Failure } from "../../components/Failure";
import { FormDialog } from "../../components/FormDialog";
import { ago, utc } from "../../components/format";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { type Column, VirtualTable } from "../../components/VirtualTable";
import { CELLS } from "../audiences/columns";
import { scheduleText } from "../audiences/Schedule";

const NewAudience = lazy(() => import("../audiences/NewAudience"));

export type LifetimeTab = "in_progress" | "ready" | "archived";

const TITLES: Readonly<Record<LifetimeTab, string>> = {
  in_progress: "Lifetime audiences in progress",
  ready: "Lifetime audiences that are ready",
  archived: "Archived lifetime audiences",
};
const EMPTY: Readonly<Record<LifetimeTab, string>> = {
  in_progress:
    "Define an audience over all your history, calculate it when you need it, and send it to partners.",
  ready: "What was calculated is here for 30 days, to be connected, sent and downloaded.",
  archived: "After 30 days, or when you put it away, an audience is here. Clone it to calculate it again.",
};

const RANGE: Column<AudienceRow> = {
  key: "range",
  title: "Date range",
  width: "minmax(120px, 1.2fr)",
  cell: (row) => (
    <>
      {rangeText(row)}
      {row.recalculation?.every_days && (
        <Text size="xs" c="dimmed">
          {scheduleText(row.recalculation.every_days)}
        </Text>
      )}
    </>
  ),
};
const EXPIRES: Column<AudienceRow> = {
  key: "expires",
  title: "Expires",
  width: "minmax(80px, 0.8fr)",
  cell: (row) => (row.expires_at ? ago(row.expires_at) : "--"),
};
const SEND: Column<AudienceRow> = {
  key: "send",
  title: "Send",
  isTitleHidden: true,
  width: "70px",
  cell: (row) => (
    <Button component={Link} to={`/audiences/${row.id}/connect`} size="compact-sm" variant="light">
      Send
    </Button>
  ),
};

const { name, status, size, outputs, tags, updated, creator, actions } = CELLS;
const COLUMNS: Readonly<Record<LifetimeTab, readonly Column<AudienceRow>[]>> = {
  in_progress: [name, status, size, RANGE, outputs, tags, updated, creator, actions],
  ready: [name, size, RANGE, outputs, tags, updated, creator, EXPIRES, SEND, actions],
  archived: [name, size, RANGE, outputs, tags, updated, creator, actions],
};

/** Audiences that are calculated over years of history, when somebody asks. */
export default function LifetimeScreen({ tab }: { tab: LifetimeTab }) {
  const found = useAudiences({ kind: "lifetime", tab, sort: "-updated" });
  const quota = useQuota();
  const [opened, setOpened] = useState<"new" | "calculate" | null>(null);
  const rows = useMemo(() => found.data?.pages.flatMap((page) => page.items) ?? [], [found.data]);
  if (!(tab in TITLES)) return <NotFound />;
  const close = () => setOpened(null);
  const isInPlan = !isProblem(quota.error) || quota.error.status !== 403;
  return (
    <div className="page">
      <PageHead
        title={TITLES[tab]}
        says={
          quota.data && (
            <Text c="dimmed" size="sm" className="figure">
              {quota.data.left} of {quota.data.limit} credits left for {quota.data.period_days} days; one
              reads a year of data, for however many audiences
            </Text>
          )
        }
      >
        {tab === "in_progress" && isInPlan && (
          <Group>
            <Button
              variant="default"
              leftSection={<IconCalculator size={17} />}
              onClick={() => setOpened("calculate")}
            >
              Calculate
            </Button>
            <Button leftSection={<IconPlus size={17} />} onClick={() => setOpened("new")}>
              New lifetime audience
            </Button>
          </Group>
        )}
      </PageHead>
      <Failure error={found.error} />
      {found.isPending ? (
        <Loading />
      ) : rows.length > 0 ? (
        <VirtualTable
          label={TITLES[tab]}
          columns={COLUMNS[tab]}
          rows={rows}
          keyOf={(row) => row.id}
          hasMore={found.hasNextPage}
          loadMore={() => !found.isFetchingNextPage && void found.fetchNextPage()}
        />
      ) : (
        <div className="card">
          {isInPlan ? (
            <Empty title="Nothing here yet" says={EMPTY[tab]} />
          ) : (
            <Empty
              title="Lifetime audiences are not part of your plan"
              says="They are calculated over all your history instead of the last days. Ask your operator for them."
            />
          )}
        </div>
      )}
      {opened === "new" && (
        <Suspense>
          <NewAudience kind="lifetime" scope="multi" onClose={close} />
        </Suspense>
      )}
      {opened === "calculate" && <Calculate onClose={close} />}
    </div>
  );
}

function Calculate({ onClose }: { onClose: () => void }) {
  const drafts = useAudienceChoices({ kind: "lifetime", status: "draft", sort: "name" });
  const [chosen, setChosen] = useState<string[]>([]);
  const calculate = useCalculate();
  const start = () =>
    calculate.mutate(chosen.map(Number), {
      onSuccess: ({ credits }) => {
        done(`The calculation has begun; it costs ${credits} ${credits === 1 ? "credit" : "credits"}`);
        onClose();
      },
    });
  return (
    <FormDialog
      title="Start a calculation"
      button="Start calculation"
      size="lg"
      isBusy={calculate.isPending}
      isReady={chosen.length > 0}
      error={calculate.error}
      onClose={onClose}
      onSubmit={start}
    >
      <Failure error={drafts.error} />
      {drafts.isPending && <Loading />}
      <Checkbox.Group
        label="Drafts"
        description="One calculation reads the data once for all of them."
        value={chosen}
        onChange={setChosen}
      >
        <Stack gap="xs" mt="xs" mah={320} style={{ overflowY: "auto" }}>
          {drafts.data?.items.map((each) => (
            <Checkbox
              key={each.id}
              value={String(each.id)}
              label={
                <>
                  <bdi>{each.name}</bdi>{" "}
                  <Text span size="xs" c="dimmed">
                    {rangeText(each)}, updated {utc(each.updated_at)}
                  </Text>
                </>
              }
            />
          ))}
        </Stack>
      </Checkbox.Group>
      {drafts.data?.items.length === 0 && <Text size="sm">There is no draft to calculate.</Text>}
    </FormDialog>
  );
}

function rangeText({ date_range: range }: AudienceRow): string {
  if (!range?.start && !range?.end) return "All available data";
  return `${range.start ?? "First day"} to ${range.end ?? "last day"}`;
}
