import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { ConditionsEditor } from "./ConditionsEditor";
import {
  AT_LEAST_ONE,
  type Edit,
  EVENT_KINDS,
  type EventKind,
  LAST_30_DAYS,
  type LeafOf,
  type Selector,
} from "./criteria";
import { FrequencyEditor } from "./FrequencyEditor";
import { Choice, Line, Remove, Suggesting, Word } from "./fields";
import { attributesOf, namesOf, useSuggestions } from "./suggestions";
import { TestEditor } from "./TestEditor";
import { DurationEditor, WindowEditor } from "./WindowEditor";

/** The fields of criteria about events. */

const KINDS = Object.entries(EVENT_KINDS).map(([kind, { label }]) => [kind as EventKind, label] as const);

/** Which events: kind and name. */
function SelectorEditor({ value, onChange }: Edit<Selector>) {
  const known = useSuggestions();
  const { name: label } = EVENT_KINDS[value.kind];
  return (
    <>
      <Choice
        label="Kind of event"
        value={value.kind}
        options={KINDS}
        onChange={(kind) => onChange({ kind })}
        width={140}
      />
      {label && (
        <Suggesting
          label={label}
          placeholder={`Any ${label.toLowerCase()}`}
          value={value.name ?? ""}
          known={namesOf(known, value.kind)}
          onChange={(name) => onChange({ ...value, name: name || null })}
        />
      )}
    </>
  );
}

export function EventEditor({ value, onChange }: Edit<LeafOf<"event">>) {
  return (
    <>
      <Line>
        <SelectorEditor value={value.event} onChange={(event) => onChange({ ...value, event })} />
        <Word>happened</Word>
        <FrequencyEditor
          value={value.frequency ?? AT_LEAST_ONE}
          onChange={(frequency) => onChange({ ...value, frequency })}
        />
        <WindowEditor
          value={value.window ?? LAST_30_DAYS}
          onChange={(window) => onChange({ ...value, window })}
        />
      </Line>
      <ConditionsEditor value={value.event} onChange={(event) => onChange({ ...value, event })} />
    </>
  );
}

const FUNCTIONS = [
  ["sum", "Sum"],
  ["average", "Average"],
  ["min", "Smallest"],
  ["max", "Largest"],
  ["distinct_count", "Number of different values"],
  ["first_value", "First value"],
  ["last_value", "Last value"],
] as const;
const PRODUCTS = "products.";

export function AggregateEditor({ value, onChange }: Edit<LeafOf<"aggregate">>) {
  const known = useSuggestions();
  const ofEvent = attributesOf(known, value.event, "attributes").map((each) => each.name);
  const ofProducts = attributesOf(known, value.event, "products").map((each) => `${PRODUCTS}${each.name}`);
  const isFigure = value.function !== "first_value" && value.function !== "last_value";
  return (
    <>
      <Line>
        <Choice
          label="Figure"
          value={value.function}
          options={FUNCTIONS}
          onChange={(chosen) => onChange({ ...value, function: chosen })}
          width={150}
        />
        <Word>of</Word>
        <Suggesting
          label="Attribute"
          value={value.attribute}
          known={[...ofEvent, ...ofProducts]}
          onChange={(attribute) => onChange({ ...value, attribute })}
        />
        <Word>over</Word>
        <SelectorEditor value={value.event} onChange={(event) => onChange({ ...value, event })} />
      </Line>
      <Line>
        <TestEditor
          value={value.test}
          onChange={(test) => onChange({ ...value, test })}
          types={isFigure ? ["number"] : undefined}
        />
        <WindowEditor
          value={value.window ?? LAST_30_DAYS}
          onChange={(window) => onChange({ ...value, window })}
        />
      </Line>
      <ConditionsEditor value={value.event} onChange={(event) => onChange({ ...value, event })} />
    </>
  );
}

export function OccurrenceEditor({ value, onChange }: Edit<LeafOf<"occurrence">>) {
  const which = [
    ["first", "The first"],
    ["last", "The last"],
  ] as const;
  return (
    <>
      <Line>
        <Choice
          label="Which"
          value={value.which}
          options={which}
          onChange={(chosen) => onChange({ ...value, which: chosen })}
          width={104}
        />
        <SelectorEditor value={value.event} onChange={(event) => onChange({ ...value, event })} />
        <Word>happened</Word>
        <WindowEditor value={value.window} onChange={(window) => onChange({ ...value, window })} />
      </Line>
      <ConditionsEditor value={value.event} onChange={(event) => onChange({ ...value, event })} />
    </>
  );
}

const MAX_STEPS = 5;

export function SequenceEditor({ value, onChange }: Edit<LeafOf<"sequence">>) {
  const put = (place: number, step: Selector) => onChange({ ...value, steps: value.steps.with(place, step) });
  return (
    <>
      {value.steps.map((step, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
        <div key={place}>
          <Line>
            <Word>{place === 0 ? "first" : "then"}</Word>
            <SelectorEditor value={step} onChange={(chosen) => put(place, chosen)} />
            {value.steps.length > 2 && (
              <Remove
                label={`Remove step ${place + 1}`}
                onClick={() => onChange({ ...value, steps: value.steps.toSpliced(place, 1) })}
              />
            )}
          </Line>
          <ConditionsEditor value={step} onChange={(chosen) => put(place, chosen)} />
        </div>
      ))}
      <Line>
        {value.steps.length < MAX_STEPS && (
          <Button
            size="compact-sm"
            variant="subtle"
            leftSection={<IconPlus size={14} />}
            onClick={() => onChange({ ...value, steps: [...value.steps, { kind: "custom_event" }] })}
          >
            Add step
          </Button>
        )}
        <Word>all of it</Word>
        <WindowEditor
          value={value.window ?? LAST_30_DAYS}
          onChange={(window) => onChange({ ...value, window })}
        />
      </Line>
      <Line>
        {value.within ? (
          <>
            <Word>from first to last within</Word>
            <DurationEditor value={value.within} onChange={(within) => onChange({ ...value, within })} />
            <Remove label="Remove the time limit" onClick={() => onChange({ ...value, within: null })} />
          </>
        ) : (
          <Button
            size="compact-sm"
            variant="subtle"
            leftSection={<IconPlus size={14} />}
            onClick={() => onChange({ ...value, within: { amount: 1, unit: "days" } })}
          >
            Limit the time from first to last
          </Button>
        )}
      </Line>
    </>
  );
}

export function CartEditor({ value, onChange }: Edit<LeafOf<"cart_abandonment">>) {
  return (
    <Line>
      <Word>added to the cart</Word>
      <WindowEditor
        value={value.window ?? LAST_30_DAYS}
        onChange={(window) => onChange({ ...value, window })}
      />
      <Word>and bought nothing for</Word>
      <DurationEditor value={value.after} onChange={(after) => onChange({ ...value, after })} />
    </Line>
  );
}
