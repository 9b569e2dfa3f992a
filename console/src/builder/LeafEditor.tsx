import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { AudienceChoice } from "./AudienceChoice";
import { ConditionsEditor } from "./ConditionsEditor";
import {
  ANY_TEXT,
  AT_LEAST_ONE,
  EVENT_KINDS,
  type EventKind,
  LAST_30_DAYS,
  type Leaf,
  type LeafOf,
  type Selector,
} from "./criteria";
import { FrequencyEditor } from "./FrequencyEditor";
import { Choice, Line, Remove, Suggesting, Whole, Word } from "./fields";
import { attributesOf, namesOf, useSuggestions } from "./suggestions";
import { firstTest, TestEditor } from "./TestEditor";
import { DurationEditor, WindowEditor } from "./WindowEditor";

type Edit<L> = { value: L; onChange: (value: L) => void };

/** The fields of one criterion. */
export function LeafEditor({ value, onChange }: Edit<Leaf>) {
  switch (value.type) {
    case "event":
      return <EventEditor value={value} onChange={onChange} />;
    case "aggregate":
      return <AggregateEditor value={value} onChange={onChange} />;
    case "occurrence":
      return <OccurrenceEditor value={value} onChange={onChange} />;
    case "sequence":
      return <SequenceEditor value={value} onChange={onChange} />;
    case "cart_abandonment":
      return <CartEditor value={value} onChange={onChange} />;
    case "location_within":
      return <WithinEditor value={value} onChange={onChange} />;
    case "consent":
      return <ConsentEditor value={value} onChange={onChange} />;
    case "audience_membership":
      return (
        <Line>
          <Word>is in the audience</Word>
          <AudienceChoice
            value={value.audience_id}
            onChange={(id) => onChange({ ...value, audience_id: id })}
          />
        </Line>
      );
    case "first_seen":
    case "last_seen":
      return (
        <Line>
          <Word>{value.type === "first_seen" ? "was first seen" : "was last seen"}</Word>
          <WindowEditor value={value.window} onChange={(window) => onChange({ ...value, window })} />
        </Line>
      );
    default:
      return <ValueEditor value={value} onChange={onChange} />;
  }
}

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

function EventEditor({ value, onChange }: Edit<LeafOf<"event">>) {
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

function AggregateEditor({ value, onChange }: Edit<LeafOf<"aggregate">>) {
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

function OccurrenceEditor({ value, onChange }: Edit<LeafOf<"occurrence">>) {
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

function SequenceEditor({ value, onChange }: Edit<LeafOf<"sequence">>) {
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

function CartEditor({ value, onChange }: Edit<LeafOf<"cart_abandonment">>) {
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

const EARTH_KM = 20_038;

function WithinEditor({ value, onChange }: Edit<LeafOf<"location_within">>) {
  return (
    <Line>
      <Word>within</Word>
      <Whole
        label="Kilometres"
        value={value.distance_km}
        min={0.1}
        max={EARTH_KM}
        isDecimal
        onChange={(distance) => onChange({ ...value, distance_km: distance })}
      />
      <Word>km of latitude</Word>
      <Whole
        label="Latitude"
        value={value.latitude}
        min={-90}
        max={90}
        isDecimal
        width={100}
        onChange={(latitude) => onChange({ ...value, latitude })}
      />
      <Word>longitude</Word>
      <Whole
        label="Longitude"
        value={value.longitude}
        min={-180}
        max={180}
        isDecimal
        width={100}
        onChange={(longitude) => onChange({ ...value, longitude })}
      />
    </Line>
  );
}

const REGULATIONS = [
  ["gdpr", "GDPR"],
  ["ccpa", "CCPA"],
] as const;
const STATES = [
  ["present", "Present"],
  ["not_present", "Not present"],
] as const;
const CCPA_PURPOSE = "data_sale_opt_out";

function ConsentEditor({ value, onChange }: Edit<LeafOf<"consent">>) {
  const known = useSuggestions().consents.filter((each) => each.regulation === value.regulation);
  const choose = (regulation: "gdpr" | "ccpa") =>
    onChange({ ...value, regulation, purpose: regulation === "ccpa" ? CCPA_PURPOSE : "" });
  return (
    <Line>
      <Choice
        label="Regulation"
        value={value.regulation}
        options={REGULATIONS}
        onChange={choose}
        width={104}
      />
      <Word>consent for</Word>
      <Suggesting
        label="Purpose"
        value={value.purpose}
        known={known.map((each) => each.purpose)}
        onChange={(purpose) => onChange({ ...value, purpose })}
      />
      <Word>is</Word>
      <Choice
        label="State"
        value={value.state ?? "present"}
        options={STATES}
        onChange={(state) => onChange({ ...value, state })}
        width={130}
      />
    </Line>
  );
}

type Valued = LeafOf<"user_attribute" | "identity" | "device" | "location" | "install_attribution">;

const LEVELS = [
  ["workspace", "in these workspaces"],
  ["account", "in any workspace"],
] as const;
const PLACES = [
  ["country", "Country"],
  ["region", "Region"],
  ["city", "City"],
  ["postal_code", "Postal code"],
  ["dma", "DMA"],
] as const;
const ATTRIBUTIONS = [
  ["publisher", "Publisher"],
  ["campaign", "Campaign"],
] as const;

/** One value of the user, and its test. */
function ValueEditor({ value, onChange }: Edit<Valued>) {
  const suggestions = useSuggestions();
  const known =
    value.type === "user_attribute"
      ? value.level === "account"
        ? suggestions.account_attributes
        : suggestions.user_attributes
      : value.type === "device"
        ? suggestions.device_fields
        : suggestions.location_fields;
  const names = known.map((each) => each.name);
  const chosen = "attribute" in value ? value.attribute : "field" in value ? value.field : "";
  const found = value.type === "identity" ? undefined : known.find((each) => each.name === chosen);
  const isText = value.type !== "user_attribute" && value.type !== "device";
  const first = (name: string) =>
    firstTest(
      known.find((each) => each.name === name),
      value.test ?? ANY_TEXT,
    );
  return (
    <Line>
      {value.type === "user_attribute" && (
        <>
          <Suggesting
            label="Attribute"
            value={value.attribute}
            known={names}
            onChange={(attribute) => onChange({ ...value, attribute, test: first(attribute) })}
          />
          <Choice
            label="Whose values"
            value={value.level ?? "workspace"}
            options={LEVELS}
            onChange={(level) => onChange({ ...value, level })}
            width={178}
          />
        </>
      )}
      {value.type === "identity" && (
        <Suggesting
          label="Identity type"
          value={value.identity_type}
          known={suggestions.identity_types}
          onChange={(identity_type) => onChange({ ...value, identity_type })}
        />
      )}
      {value.type === "device" && (
        <Suggesting
          label="Property of the device"
          value={value.field}
          known={names}
          onChange={(field) => onChange({ ...value, field, test: first(field) })}
        />
      )}
      {value.type === "location" && (
        <Choice
          label="Part of the place"
          value={value.field}
          options={PLACES}
          onChange={(field) => onChange({ ...value, field })}
        />
      )}
      {value.type === "install_attribution" && (
        <Choice
          label="Attributed to"
          value={value.field}
          options={ATTRIBUTIONS}
          onChange={(field) => onChange({ ...value, field })}
        />
      )}
      <TestEditor
        value={value.test}
        onChange={(test) => onChange({ ...value, test })}
        known={found}
        types={isText ? ["string"] : undefined}
      />
    </Line>
  );
}
