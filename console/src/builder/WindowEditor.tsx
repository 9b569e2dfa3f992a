import type { Duration, Window } from "./criteria";
import { Choice, Day, Whole, Word } from "./fields";

type Form = Window["type"] | "from";

const FORMS: readonly (readonly [Form, string])[] = [
  ["within_last", "within the last"],
  ["between_ago", "between ... ago"],
  ["on", "on"],
  ["before", "before"],
  ["after", "after"],
  ["from", "on or after"],
  ["between_dates", "between dates"],
];
const UNITS = [
  ["minutes", "minutes"],
  ["hours", "hours"],
  ["days", "days"],
  ["weeks", "weeks"],
] as const satisfies readonly (readonly [Duration["unit"], string])[];
const MAX_AMOUNT = 1_000_000;

/** When: a span that moves with now, or days of the calendar (UTC). */
export function WindowEditor({ value, onChange }: { value: Window; onChange: (value: Window) => void }) {
  return (
    <>
      <Choice
        label="When"
        value={formOf(value)}
        options={FORMS}
        onChange={(form) => onChange(of(form))}
        width={160}
      />
      <Bounds value={value} onChange={onChange} />
    </>
  );
}

function Bounds({ value, onChange }: { value: Window; onChange: (value: Window) => void }) {
  switch (value.type) {
    case "within_last":
      return (
        <DurationEditor value={value.duration} onChange={(duration) => onChange({ ...value, duration })} />
      );
    case "between_ago":
      return (
        <>
          <DurationEditor
            label="Newer end"
            value={value.newer}
            onChange={(newer) => onChange({ ...value, newer })}
          />
          <Word>and</Word>
          <DurationEditor
            label="Older end"
            value={value.older}
            onChange={(older) => onChange({ ...value, older })}
          />
          <Word>ago</Word>
        </>
      );
    case "between_dates":
      return (
        <>
          <Day label="First day" value={value.start} onChange={(start) => onChange({ ...value, start })} />
          <Word>and</Word>
          <Day label="Last day" value={value.end} onChange={(end) => onChange({ ...value, end })} />
        </>
      );
    default:
      return <Day label="Day" value={value.date} onChange={(date) => onChange({ ...value, date })} />;
  }
}

export function DurationEditor({
  value,
  onChange,
  label = "Length of time",
}: {
  value: Duration;
  onChange: (value: Duration) => void;
  label?: string;
}) {
  return (
    <>
      <Whole
        label={label}
        value={value.amount}
        max={MAX_AMOUNT}
        onChange={(amount) => onChange({ ...value, amount })}
        width={68}
      />
      <Choice
        label={`${label}: unit`}
        value={value.unit}
        options={UNITS}
        onChange={(unit) => onChange({ ...value, unit })}
        width={104}
      />
    </>
  );
}

function formOf(value: Window): Form {
  return value.type === "after" && value.inclusive ? "from" : value.type;
}

/** A fresh window of a form. */
export function of(form: Form): Window {
  const today = new Date().toISOString().slice(0, 10);
  switch (form) {
    case "within_last":
      return { type: "within_last", duration: { amount: 7, unit: "days" } };
    case "between_ago":
      return { type: "between_ago", newer: { amount: 4, unit: "days" }, older: { amount: 6, unit: "days" } };
    case "between_dates":
      return { type: "between_dates", start: today, end: today };
    case "from":
      return { type: "after", date: today, inclusive: true };
    case "after":
      return { type: "after", date: today, inclusive: false };
    default:
      return { type: form, date: today };
  }
}

export { FORMS, formOf };
