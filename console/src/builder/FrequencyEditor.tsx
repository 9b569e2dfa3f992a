import type { Frequency } from "./criteria";
import { Choice, Whole, Word } from "./fields";

type Operator = Extract<Frequency, { type: "compare" }>["operator"] | "between";

const OPERATORS = [
  ["greater_than", "more than"],
  ["greater_or_equal", "at least"],
  ["equals", "exactly"],
  ["not_equals", "not exactly"],
  ["less_than", "fewer than"],
  ["less_or_equal", "at most"],
  ["between", "between"],
] as const satisfies readonly (readonly [Operator, string])[];

/** How often. */
export function FrequencyEditor({
  value,
  onChange,
}: {
  value: Frequency;
  onChange: (value: Frequency) => void;
}) {
  const low = value.type === "between" ? value.min : value.value;
  const choose = (operator: Operator) =>
    onChange(
      operator === "between"
        ? { type: "between", min: low, max: low + 1 }
        : { type: "compare", operator, value: low },
    );
  return (
    <>
      <Choice
        label="How often"
        value={value.type === "between" ? "between" : value.operator}
        options={OPERATORS}
        onChange={choose}
        width={128}
      />
      {value.type === "between" ? (
        <>
          <Whole
            label="Fewest"
            value={value.min}
            onChange={(min) => onChange({ ...value, min })}
            width={62}
          />
          <Word>and</Word>
          <Whole label="Most" value={value.max} onChange={(max) => onChange({ ...value, max })} width={62} />
        </>
      ) : (
        <Whole
          label="Times"
          value={value.value}
          onChange={(times) => onChange({ ...value, value: times })}
          width={62}
        />
      )}
      <Word>times</Word>
    </>
  );
}
