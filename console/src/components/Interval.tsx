import "./Interval.css";

/** An estimate on a scale from 0 to `max`, with the range that holds the truth 95 times in 100. */
export function Interval({
  low,
  high,
  value,
  max,
}: {
  low: number;
  high: number;
  value: number;
  max: number;
}) {
  const place = (each: number) => `${Math.min(Math.max((100 * each) / max, 0), 100)}%`;
  return (
    <div className="interval" aria-hidden>
      <div className="interval-range" style={{ left: place(low), right: `calc(100% - ${place(high)})` }} />
      <div className="interval-value" style={{ left: `calc(${place(value)} - 1.5px)` }} />
    </div>
  );
}
