import "./SplitBar.css";

interface Part {
  name: string;
  percentage: number;
  is_control?: boolean;
}

/** How an audience is split, at a glance; the names and figures also stand in the table below it. */
export function SplitBar({ parts }: { parts: readonly Part[] }) {
  const text = parts.map((each) => `${each.name} ${each.percentage}%`).join(", ");
  return (
    <div className="split" role="img" aria-label={`Split: ${text}`}>
      {parts
        .filter((each) => each.percentage > 0)
        .map((each) => (
          <div
            key={each.name}
            className={`split-part${each.is_control ? " is-control" : ""}`}
            style={{ flexGrow: each.percentage, flexBasis: 0 }}
          >
            {each.percentage}%
          </div>
        ))}
    </div>
  );
}
