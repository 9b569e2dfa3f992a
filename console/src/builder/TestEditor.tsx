import type { Test } from "./criteria";
import { Choice, Several, Suggesting, Whole, Word } from "./fields";
import type { AttributeSuggestion } from "./suggestions";
import { FORMS, of, WindowEditor } from "./WindowEditor";

/** As what a value is read. */
export type DataType = "string" | "number" | "boolean" | "date" | "list";

const TYPES: readonly (readonly [DataType, string])[] = [
  ["string", "Text"],
  ["number", "Number"],
  ["boolean", "True/False"],
  ["date", "Date"],
  ["list", "List"],
];

type Operators = readonly (readonly [string, string])[];
const PRESENCE: Operators = [
  ["presence:exists", "exists"],
  ["presence:not_exists", "does not exist"],
  ["presence:empty", "is empty"],
  ["presence:not_empty", "is not empty"],
];
const OPERATORS: Readonly<Record<DataType, Operators>> = {
  string: [
    ["string:equals", "is exactly"],
    ["string:not_equals", "is not"],
    ["string:contains", "contains"],
    ["string:not_contains", "does not contain"],
    ["string:starts_with", "starts with"],
    ["string:not_starts_with", "does not start with"],
    ["string:ends_with", "ends with"],
    ["string:not_ends_with", "does not end with"],
    ["string:pattern", "matches the pattern"],
    ["string:not_pattern", "does not match the pattern"],
    ["string_in:in_list", "is in the list"],
    ["string_in:not_in_list", "is not in the list"],
    ...PRESENCE,
  ],
  number: [
    ["number:equals", "="],
    ["number:not_equals", "≠"],
    ["number:greater_than", "greater than"],
    ["number:greater_or_equal", "at least"],
    ["number:less_than", "less than"],
    ["number:less_or_equal", "at most"],
    ["number_between", "between"],
    ["number_in:in_list", "is in the list"],
    ["number_in:not_in_list", "is not in the list"],
    ...PRESENCE,
  ],
  boolean: [["boolean:true", "is true"], ["boolean:false", "is false"], ...PRESENCE],
  date: [["date", "is"], ...PRESENCE],
  list: [
    ["list:includes", "includes"],
    ["list:not_includes", "does not include"],
    ["list:partial_match", "has an element containing"],
    ["list:not_partial_match", "has no element containing"],
    ...PRESENCE,
  ],
};

interface Props {
  value: Test;
  onChange: (value: Test) => void;
  /** What is known of the attribute: its values are suggested, and its type is where a test begins. */
  known?: AttributeSuggestion;
  types?: readonly DataType[];
}

/** What a value must be: its type, the comparison, and what it is compared with. */
export function TestEditor({ value, onChange, known, types }: Props) {
  const offered = TYPES.filter(([each]) => !types || types.includes(each));
  const type = typeOf(value, known);
  return (
    <>
      {offered.length > 1 && (
        <Choice
          label="Data type"
          value={type}
          options={offered}
          onChange={(chosen) => onChange(written(OPERATORS[chosen][0]?.[0] ?? "", value))}
          width={112}
        />
      )}
      <Choice
        label="Comparison"
        value={operatorOf(value)}
        options={OPERATORS[type]}
        onChange={(operator) => onChange(written(operator, value))}
        width={170}
      />
      <Operand value={value} onChange={onChange} known={known} />
    </>
  );
}

function Operand({ value, onChange, known }: Props) {
  const values = known?.values ?? [];
  switch (value.type) {
    case "string":
    case "list":
      return (
        <Suggesting
          label="Value"
          placeholder={
            value.type === "string" && value.operator.endsWith("pattern") ? "bl?e or b*e" : "Value"
          }
          value={value.value}
          known={values}
          onChange={(text) => onChange({ ...value, value: text })}
          width={190}
        />
      );
    case "string_in":
      return (
        <Several
          label="Values"
          values={value.values}
          known={values}
          onChange={(texts) => onChange({ ...value, values: texts })}
        />
      );
    case "number":
      return (
        <Decimal
          label="Value"
          value={value.value}
          onChange={(number) => onChange({ ...value, value: number })}
        />
      );
    case "number_between":
      return (
        <>
          <Decimal label="From" value={value.min} onChange={(min) => onChange({ ...value, min })} />
          <Word>and</Word>
          <Decimal label="To" value={value.max} onChange={(max) => onChange({ ...value, max })} />
        </>
      );
    case "number_in":
      return (
        <Several
          label="Values"
          values={value.values.map(String)}
          known={values}
          onChange={(texts) => onChange({ ...value, values: texts.map(Number).filter(Number.isFinite) })}
        />
      );
    case "date":
      return <WindowEditor value={value.window} onChange={(window) => onChange({ ...value, window })} />;
    default:
      return null;
  }
}

function Decimal(props: { label: string; value: number; onChange: (value: number) => void }) {
  return <Whole {...props} min={-1e12} max={1e12} isDecimal width={110} />;
}

/** A test of presence says nothing of a type: that of the attribute is shown. */
function typeOf(value: Test, known?: AttributeSuggestion): DataType {
  switch (value.type) {
    case "presence":
      return known?.type ?? "string";
    case "string":
    case "string_in":
      return "string";
    case "number":
    case "number_in":
    case "number_between":
      return "number";
    default:
      return value.type;
  }
}

function operatorOf(value: Test): string {
  switch (value.type) {
    case "boolean":
      return `boolean:${value.value}`;
    case "number_between":
    case "date":
      return value.type;
    case "string_in":
    case "number_in":
      return `${value.type}:${value.operator ?? "in_list"}`;
    default:
      return `${value.type}:${value.operator}`;
  }
}

/** A test with that operator, which keeps what was entered where it still fits. */
function written(operator: string, before: Test): Test {
  const [type, name] = operator.split(":") as [Test["type"], never];
  const text = "value" in before && typeof before.value === "string" ? before.value : "";
  const number = "value" in before && typeof before.value === "number" ? before.value : 0;
  switch (type) {
    case "presence":
      return { type, operator: name };
    case "string":
    case "list":
      return { type, operator: name, value: text };
    case "string_in":
      return { type, operator: name, values: before.type === type ? before.values : text ? [text] : [] };
    case "number":
      return { type, operator: name, value: number };
    case "number_in":
      return { type, operator: name, values: before.type === type ? before.values : [number] };
    case "number_between":
      return { type, min: number, max: number };
    case "boolean":
      return { type, value: operator === "boolean:true" };
    case "date":
      return { type, window: before.type === "date" ? before.window : of(FORMS[0]?.[0] ?? "within_last") };
  }
}

/** What a test of an attribute begins with. */
export function firstTest(known: AttributeSuggestion | undefined, before: Test): Test {
  const type = known?.type ?? "string";
  return typeOf(before, known) === type ? before : written(OPERATORS[type][0]?.[0] ?? "", before);
}
