import { Button, MultiSelect, Select, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconPlus, IconSearch } from "@tabler/icons-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { useSearchParams } from "react-router";
import { useAudiences, useTags } from "../../api/audiences";
import { Empty } from "../../components/Empty";
import { Failure } from "../../components/Failure";
import { count } from "../../components/format";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { VirtualTable } from "../../components/VirtualTable";
import { COLUMNS } from "./columns";

const NewAudience = lazy(() => import("./NewAudience"));

const SAYS = {
  single: "Drawn from one workspace. Members come and go as events arrive, and as time passes.",
  multi: "Combine the data of several workspaces in one definition.",
} as const;
const TITLES = { single: "Single workspace audiences", multi: "Multi workspace audiences" } as const;

/** The audiences of the account that are kept up to date by themselves. */
export function AudienceListScreen({ scope }: { scope: "single" | "multi" }) {
  const filters = useFilters();
  const [isNew, setNew] = useState(false);
  const found = useAudiences({ kind: "real_time", scope, ...filters.query });
  const rows = useMemo(() => found.data?.pages.flatMap((page) => page.items) ?? [], [found.data]);
  const first = found.data?.pages[0];
  return (
    <div className="page">
      <PageHead title={TITLES[scope]} says={<Text c="dimmed">{SAYS[scope]}</Text>}>
        <Button leftSection={<IconPlus size={17} />} onClick={() => setNew(true)}>
          New audience
        </Button>
      </PageHead>
      <Toolbar filters={filters}>
        {first && (
          <Text size="sm" c="dimmed" className="figure is-middle" data-testid="active-audiences">
            {count(first.active)}/{count(first.active_cap)} active audiences in account
          </Text>
        )}
      </Toolbar>
      <Failure error={found.error} />
      {found.isPending ? (
        <Loading />
      ) : rows.length > 0 ? (
        <VirtualTable
          label={TITLES[scope]}
          columns={COLUMNS}
          rows={rows}
          keyOf={(row) => row.id}
          sort={filters.query.sort}
          onSort={(sort) => filters.set("sort", sort)}
          hasMore={found.hasNextPage}
          loadMore={() => !found.isFetchingNextPage && void found.fetchNextPage()}
        />
      ) : filters.isFiltered ? (
        <Empty title="No audience fits these filters" says="Take a filter away to see more.">
          <Button variant="default" onClick={filters.clear}>
            Clear filters
          </Button>
        </Empty>
      ) : (
        !found.error && <First scope={scope} onNew={() => setNew(true)} />
      )}
      {isNew && (
        <Suspense>
          <NewAudience kind="real_time" scope={scope} onClose={() => setNew(false)} />
        </Suspense>
      )}
    </div>
  );
}

function First({ scope, onNew }: { scope: "single" | "multi"; onNew: () => void }) {
  return (
    <div className="card">
      <Empty
        title="Describe whom you want to reach"
        says={
          <>
            An audience is everybody who fits your criteria, for example “installed in the last 72 hours and
            fewer than three sessions”.{" "}
            {scope === "multi" && "Choose several workspaces and their inputs to combine their data. "}
            Define it, see at once how many people it holds, and connect it to the partners that should know.
          </>
        }
      >
        <Button onClick={onNew}>Create the first audience</Button>
      </Empty>
    </div>
  );
}

function Toolbar({ filters, children }: { filters: Filters; children: React.ReactNode }) {
  const tags = useTags();
  return (
    <div className="toolbar">
      <TextInput
        aria-label="Search by name or ID"
        placeholder="Search by name or ID"
        leftSection={<IconSearch size={16} />}
        value={filters.text}
        onChange={(event) => filters.set("q", event.currentTarget.value)}
        w={240}
      />
      <Select
        aria-label="Status"
        data={[
          { value: "", label: "Status: all" },
          { value: "draft", label: "Draft" },
          { value: "active", label: "Active" },
        ]}
        value={filters.query.status ?? ""}
        onChange={(value) => filters.set("status", value ?? "")}
        allowDeselect={false}
        w={140}
      />
      <MultiSelect
        aria-label="Tags"
        placeholder={filters.query.tag?.length ? "" : "Tags"}
        data={tags.data?.map((each) => each.tag) ?? []}
        value={filters.query.tag ?? []}
        onChange={(chosen) => filters.setTags(chosen)}
        searchable
        clearable
        nothingFoundMessage="No such tag"
        miw={150}
      />
      <div style={{ flex: 1 }} />
      {children}
    </div>
  );
}

type Filters = ReturnType<typeof useFilters>;

/** They are in the address, so that a list can be bookmarked and shared. */
function useFilters() {
  const [params, setParams] = useSearchParams();
  const text = params.get("q") ?? "";
  const [q] = useDebouncedValue(text, 250);
  const status = params.get("status");
  const tag = params.getAll("tag");
  const set = (name: string, value: string) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
  const setTags = (chosen: readonly string[]) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        next.delete("tag");
        for (const each of chosen) next.append("tag", each);
        return next;
      },
      { replace: true },
    );
  return {
    text,
    set,
    setTags,
    clear: () => setParams({}, { replace: true }),
    isFiltered: Boolean(q || status || tag.length),
    query: {
      ...(q && { q }),
      ...((status === "draft" || status === "active") && { status: status as "draft" | "active" }),
      ...(tag.length > 0 && { tag }),
      sort: params.get("sort") ?? "-updated",
    },
  };
}
