import "./VirtualTable.css";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useLayoutEffect, useRef, useState } from "react";

export interface Column<Row> {
  key: string;
  title: string;
  /** A track of the grid. */
  width: string;
  isNumber?: boolean;
  /** Spans the whole card where there is little room. */
  isWide?: boolean;
  /** Told to those who cannot see what the column plainly is. */
  isTitleHidden?: boolean;
  /** Stands at the top right of the card where there is little room. */
  isCorner?: boolean;
  /** Field that the API sorts by. */
  sort?: string;
  cell: (row: Row) => React.ReactNode;
}

/** `-name`: descending. */
export type Sort = string;

interface Props<Row> {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string | number;
  sort?: Sort;
  onSort?: (sort: Sort) => void;
  /** Whether there are rows that are not loaded; asked for as the end comes near. */
  hasMore?: boolean;
  loadMore?: () => void;
}

const ROW_HEIGHT = 61;
// Asked for early enough that nobody waits at the end.
const NEAR_THE_END = 60;

/** A table of any length: only the rows in sight are in the page. It scrolls with the screen. */
export function VirtualTable<Row>({
  label,
  columns,
  rows,
  keyOf,
  sort,
  onSort,
  hasMore,
  loadMore,
}: Props<Row>) {
  const list = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  useLayoutEffect(() => setMargin(list.current?.offsetTop ?? 0), []);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => document.getElementById("main"),
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
    scrollMargin: margin,
    getItemKey: (index) => keyOf(rows[index] as Row),
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && last >= rows.length - NEAR_THE_END) loadMore?.();
  }, [hasMore, last, rows.length, loadMore]);
  const template = { "--columns": columns.map((each) => each.width).join(" ") } as React.CSSProperties;
  return (
    // A real table cannot leave out the rows that are out of sight: roles say what it is.
    <div className="vt card" role="table" aria-label={label} aria-rowcount={hasMore ? -1 : rows.length + 1}>
      <div role="rowgroup">
        <div className="vt-head" role="row" style={template}>
          {columns.map((each) => (
            <Heading key={each.key} column={each} sort={sort} onSort={onSort} />
          ))}
        </div>
      </div>
      <div className="vt-rows" role="rowgroup" ref={list} style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index] as Row;
          return (
            <div
              key={item.key}
              className="vt-row"
              role="row"
              aria-rowindex={item.index + 2}
              data-index={item.index}
              ref={virtual.measureElement}
              style={{ ...template, transform: `translateY(${item.start - margin}px)` }}
            >
              <Cells columns={columns} row={row} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Scrolling moves rows; what is in them is drawn again only when they change. */
const Cells = memo(function Cells<Row>({ columns, row }: { columns: readonly Column<Row>[]; row: Row }) {
  return columns.map((each) => (
    <div
      key={each.key}
      role="cell"
      data-label={each.isWide || each.isTitleHidden ? "" : each.title}
      className={`vt-cell${each.isNumber ? " is-number" : ""}${each.isWide ? " is-wide" : ""}${each.isCorner ? " is-corner" : ""}`}
    >
      {each.cell(row)}
    </div>
  ));
}) as <Row>(props: { columns: readonly Column<Row>[]; row: Row }) => React.ReactNode;

function Heading<Row>({
  column,
  sort = "",
  onSort,
}: {
  column: Column<Row>;
  sort?: Sort;
  onSort?: (sort: Sort) => void;
}) {
  const { sort: field } = column;
  const isSorted = field !== undefined && sort.replace("-", "") === field;
  const isDown = isSorted && sort.startsWith("-");
  const order = isDown ? "descending" : "ascending";
  return (
    <div
      role="columnheader"
      className={column.isNumber ? "is-number" : undefined}
      aria-sort={isSorted ? order : undefined}
    >
      {field && onSort ? (
        <button
          type="button"
          className="vt-sort"
          onClick={() => onSort(isSorted && !isDown ? `-${field}` : field)}
        >
          {column.title}
          {isSorted && (isDown ? <IconArrowDown size={13} /> : <IconArrowUp size={13} />)}
        </button>
      ) : (
        <span className={column.isTitleHidden ? "visually-hidden" : undefined}>{column.title}</span>
      )}
    </div>
  );
}
