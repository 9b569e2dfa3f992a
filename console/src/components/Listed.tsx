import { Button, Table } from "@mantine/core";
import { Empty } from "./Empty";
import { Failure } from "./Failure";
import { Loading } from "./Loading";

/** What a table needs to know of how its rows are read. */
export interface Found {
  error: unknown;
  isPending: boolean;
  hasNextPage?: boolean;
  fetchNextPage?: () => unknown;
}

interface Props<Item> {
  label: string;
  found: Found;
  items: readonly Item[];
  /** What it is for, and what to do first. */
  empty: React.ComponentProps<typeof Empty>;
  /** A `#` before the title: a column of numbers. What can be done comes in a last column, which has none. */
  columns: readonly string[];
  row: (item: Item) => React.ReactNode;
}

/** A short table, or why there is none. */
export function Listed<Item>({ label, found, items, empty, columns, row }: Props<Item>) {
  return (
    <>
      <Failure error={found.error} />
      {found.isPending ? (
        <Loading />
      ) : items.length === 0 ? (
        <div className="card">
          <Empty {...empty} />
        </div>
      ) : (
        <div className="card scroll-x">
          <Table verticalSpacing="sm" aria-label={label}>
            <Table.Thead>
              <Table.Tr>
                {columns.map((each) => (
                  <Table.Th key={each} className={each.startsWith("#") ? "is-number" : undefined}>
                    {each.replace("#", "")}
                  </Table.Th>
                ))}
                <Table.Th>
                  <span className="visually-hidden">Actions</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>{items.map(row)}</Table.Tbody>
          </Table>
        </div>
      )}
      <ShowMore found={found} />
    </>
  );
}

/** The next page, while there is one. */
export function ShowMore({ found }: { found: Pick<Found, "hasNextPage" | "fetchNextPage"> }) {
  if (!found.hasNextPage) return null;
  return (
    <Button variant="default" size="xs" mt="sm" onClick={() => void found.fetchNextPage?.()}>
      Show more
    </Button>
  );
}
