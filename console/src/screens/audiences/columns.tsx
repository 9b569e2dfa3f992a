import { Anchor, Avatar, Badge, RingProgress, Tooltip } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { Link } from "react-router";
import type { AudienceRow } from "../../api/types";
import { count, initials, percent, utc } from "../../components/format";
import { StatusBadge } from "../../components/StatusBadge";
import { Tags } from "../../components/Tags";
import type { Column } from "../../components/VirtualTable";
import { AudienceMenu } from "./AudienceMenu";
import { FaultIcon } from "./FaultIcon";

type Cells = Record<string, Column<AudienceRow>>;

/** Every column that a list of audiences can have. */
export const CELLS = {
  name: {
    key: "name",
    title: "Name",
    width: "minmax(170px, 2.4fr)",
    isWide: true,
    sort: "name",
    cell: nameCell,
  },
  size: {
    key: "size",
    title: "Size",
    width: "minmax(64px, 0.8fr)",
    isNumber: true,
    sort: "size",
    cell: sizeCell,
  },
  adds: {
    key: "adds",
    title: "Adds (24 h)",
    width: "minmax(56px, 0.7fr)",
    isNumber: true,
    sort: "adds",
    cell: (row) => count(row.adds_24h),
  },
  drops: {
    key: "drops",
    title: "Drops (24 h)",
    width: "minmax(56px, 0.7fr)",
    isNumber: true,
    sort: "drops",
    cell: (row) => count(row.drops_24h),
  },
  volatility: {
    key: "volatility",
    title: "Volatility (24 h)",
    width: "minmax(66px, 0.7fr)",
    isNumber: true,
    sort: "volatility",
    cell: (row) => percent(row.volatility),
  },
  outputs: { key: "outputs", title: "Outputs", width: "70px", cell: outputsCell },
  tags: { key: "tags", title: "Tags", width: "48px", cell: (row) => <Tags audience={row} isShort /> },
  creator: { key: "creator", title: "By", width: "36px", cell: creatorCell },
  updated: {
    key: "updated",
    title: "Last updated (UTC)",
    width: "minmax(128px, 1fr)",
    sort: "updated",
    cell: (row) => utc(row.updated_at),
  },
  status: {
    key: "status",
    title: "Status",
    width: "104px",
    cell: (row) => <StatusBadge status={row.status} />,
  },
  actions: {
    key: "actions",
    title: "Actions",
    isTitleHidden: true,
    isCorner: true,
    width: "44px",
    cell: (row) => <AudienceMenu audience={row} />,
  },
} satisfies Cells;

export const COLUMNS: readonly Column<AudienceRow>[] = Object.values(CELLS);

function nameCell(row: AudienceRow) {
  return (
    <div style={{ display: "flex", gap: 8, alignItems: "center" }}>
      <div style={{ minWidth: 0 }}>
        <div style={{ display: "flex", gap: 6, alignItems: "center" }}>
          {row.ab_test && (
            <Tooltip label="Its members are split for an A/B test">
              <Badge size="sm" variant="light" color="blue" px={6} style={{ flex: "none" }}>
                <abbr title="A/B test">%</abbr>
              </Badge>
            </Tooltip>
          )}
          <Anchor
            component={Link}
            to={`/audiences/${row.id}`}
            fw={600}
            size="sm"
            className="one-line"
            title={row.name}
          >
            <bdi>{row.name}</bdi>
          </Anchor>
        </div>
        <span className="figure" style={{ fontSize: 12.5, color: "var(--mantine-color-dimmed)" }}>
          {row.id}
        </span>
      </div>
      <FaultIcon faults={row.faults} name={row.name} />
    </div>
  );
}

function sizeCell(row: AudienceRow) {
  const { calculating } = row;
  if (!calculating) return count(row.size);
  const label = `Calculating: ${percent(calculating.progress)}`;
  return (
    <Tooltip label={label}>
      <span style={{ display: "inline-flex", alignItems: "center", gap: 4 }} role="img" aria-label={label}>
        <RingProgress
          size={22}
          thickness={4}
          sections={[{ value: calculating.progress * 100, color: "brand" }]}
          aria-hidden
        />
        {count(row.size)}
      </span>
    </Tooltip>
  );
}

function outputsCell(row: AudienceRow) {
  const to = `/audiences/${row.id}/connect`;
  return row.connected_outputs > 0 ? (
    <Anchor component={Link} to={to} size="sm" aria-label={`${row.connected_outputs} connected outputs`}>
      {row.connected_outputs}
    </Anchor>
  ) : (
    <Anchor component={Link} to={to} c="green" aria-label={`Connect an output to ${row.name}`}>
      <IconPlus size={17} color="var(--mantine-color-green-light-color)" />
    </Anchor>
  );
}

function creatorCell(row: AudienceRow) {
  return (
    <Tooltip label={row.created_by}>
      <Avatar size={28} radius="xl" color="brand" role="img" aria-label={`Created by ${row.created_by}`}>
        {initials(row.created_by)}
      </Avatar>
    </Tooltip>
  );
}
