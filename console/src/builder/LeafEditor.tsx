import { AudienceChoice } from "./AudienceChoice";
import { ANY_TEXT, type Edit, type Leaf, type LeafOf } from "./criteria";
import { AggregateEditor, CartEditor, EventEditor, OccurrenceEditor, SequenceEditor } from "./EventEditors";
import { Choice, Line, Suggesting, Whole, Word } from "./fields";
import { useSuggestions } from "./suggestions";
import { firstTest, TestEditor } from "./TestEditor";
import { WindowEditor } from "./WindowEditor";

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
