import type { Schema } from "../api/types";

type Definition = Schema<"AudienceView">["definition"];
export type Criterion = Definition["root"];
export type Logic = Extract<Criterion, { type: "all_of" | "any_of" | "not" }>;
/** A criterion that has no others inside it. */
export type Leaf = Exclude<Criterion, Logic>;
export type LeafOf<T extends Leaf["type"]> = Extract<Leaf, { type: T }>;
/** What the editor of a criterion, or of a part of one, is given. */
export type Edit<L> = { value: L; onChange: (value: L) => void };
export type Selector = Schema<"EventSelector">;
export type EventKind = Selector["kind"];
export type Condition = Schema<"Condition">;
export type Test = Condition["test"];
export type Window = NonNullable<LeafOf<"event">["window"]>;
export type Duration = Schema<"Duration">;
export type Frequency = NonNullable<LeafOf<"event">["frequency"]>;

export const LAST_30_DAYS: Window = { type: "within_last", duration: { amount: 30, unit: "days" } };
export const AT_LEAST_ONE: Frequency = { type: "compare", operator: "greater_than", value: 0 };
export const ANY_TEXT: Test = { type: "string", operator: "equals", value: "" };

export const EVENT_KINDS: Readonly<Record<EventKind, { label: string; name?: string; icon: string }>> = {
  custom_event: { label: "Event", name: "Event name", icon: "bolt" },
  commerce_event: { label: "Ecommerce", name: "Action", icon: "cart" },
  screen_view: { label: "Screen view", name: "Screen name", icon: "screen" },
  session_start: { label: "Session", icon: "clock" },
  session_end: { label: "Session end", icon: "clock" },
  install: { label: "Install", icon: "download" },
  upgrade: { label: "Upgrade", icon: "download" },
  uninstall: { label: "Uninstall", icon: "trash" },
  crash_report: { label: "Crash", icon: "bug" },
  attribution: { label: "Attribution", name: "Event name", icon: "flag" },
  push_opened: { label: "Push opened", icon: "bell" },
};

interface Choice {
  label: string;
  says: string;
  make: () => Leaf;
}

const anEvent = (kind: EventKind, says: string): Choice => ({
  label: EVENT_KINDS[kind].label,
  says,
  make: () => ({ type: "event", event: { kind }, window: LAST_30_DAYS, frequency: AT_LEAST_ONE }),
});

/** What can be added, as the menu shows it. */
export const CHOICES: readonly { group: string; choices: readonly Choice[] }[] = [
  {
    group: "What people did",
    choices: [
      anEvent("custom_event", "How often an event of yours happened"),
      anEvent("commerce_event", "Purchases, carts, product views"),
      anEvent("screen_view", "Screens and pages that were seen"),
      anEvent("session_start", "How often the app was used"),
      anEvent("install", "First runs"),
      anEvent("upgrade", "Runs of a new version"),
      anEvent("uninstall", "The app was removed"),
      anEvent("crash_report", "The app crashed"),
      anEvent("push_opened", "A push message was opened"),
      anEvent("attribution", "A campaign brought them back"),
    ],
  },
  {
    group: "Patterns over events",
    choices: [
      {
        label: "Cart abandonment",
        says: "Added to cart, and nothing bought after that",
        make: () => ({ type: "cart_abandonment", after: { amount: 1, unit: "days" }, window: LAST_30_DAYS }),
      },
      {
        label: "Figure over events",
        says: "Sum, average, largest value of an attribute",
        make: () => ({
          type: "aggregate",
          event: { kind: "commerce_event", name: "purchase" },
          function: "sum",
          attribute: "$total_amount",
          window: LAST_30_DAYS,
          test: { type: "number", operator: "greater_or_equal", value: 100 },
        }),
      },
      {
        label: "First or last occurrence",
        says: "When an event happened first or last",
        make: () => ({
          type: "occurrence",
          event: { kind: "session_start" },
          which: "last",
          window: { type: "within_last", duration: { amount: 7, unit: "days" } },
        }),
      },
      {
        label: "Sequence",
        says: "Events one after another",
        make: () => ({
          type: "sequence",
          steps: [
            { kind: "commerce_event", name: "add_to_cart" },
            { kind: "commerce_event", name: "purchase" },
          ],
          window: LAST_30_DAYS,
        }),
      },
    ],
  },
  {
    group: "Who people are",
    choices: [
      {
        label: "User attribute",
        says: "What is known of the user",
        make: () => ({ type: "user_attribute", attribute: "", level: "workspace", test: ANY_TEXT }),
      },
      {
        label: "Identity",
        says: "Has an e-mail address, a customer ID",
        make: () => ({
          type: "identity",
          identity_type: "email",
          test: { type: "presence", operator: "exists" },
        }),
      },
      {
        label: "Audience membership",
        says: "Is in another audience",
        make: () => ({ type: "audience_membership", audience_id: 0 }),
      },
      { label: "First seen", says: "New users", make: () => ({ type: "first_seen", window: LAST_30_DAYS }) },
      {
        label: "Last seen",
        says: "Active or lapsing users",
        make: () => ({ type: "last_seen", window: LAST_30_DAYS }),
      },
      {
        label: "Device",
        says: "Platform, model, carrier",
        make: () => ({ type: "device", field: "platform", test: ANY_TEXT }),
      },
      {
        label: "Location",
        says: "Country, city, postal code",
        make: () => ({ type: "location", field: "country", test: ANY_TEXT }),
      },
      {
        label: "Location within",
        says: "So far from a point",
        make: () => ({ type: "location_within", latitude: 52.52, longitude: 13.405, distance_km: 50 }),
      },
      {
        label: "Consent",
        says: "GDPR or CCPA consent",
        make: () => ({ type: "consent", regulation: "gdpr", purpose: "", state: "present" }),
      },
      {
        label: "Install attribution",
        says: "Publisher or campaign of the install",
        make: () => ({ type: "install_attribution", field: "campaign", test: ANY_TEXT }),
      },
    ],
  },
];

/** How a criterion of that type is called. */
export function titleOf(leaf: Leaf): string {
  switch (leaf.type) {
    case "event":
      return EVENT_KINDS[leaf.event.kind].label;
    case "aggregate":
      return "Figure over events";
    case "occurrence":
      return "First or last occurrence";
    case "sequence":
      return "Sequence";
    case "cart_abandonment":
      return "Cart abandonment";
    case "user_attribute":
      return "User attribute";
    case "identity":
      return "Identity";
    case "first_seen":
      return "First seen";
    case "last_seen":
      return "Last seen";
    case "device":
      return "Device";
    case "location":
      return "Location";
    case "location_within":
      return "Location within";
    case "consent":
      return "Consent";
    case "install_attribution":
      return "Install attribution";
    case "audience_membership":
      return "Audience membership";
  }
}

/** What is missing before a criterion can be asked; empty when nothing is. */
export function missingIn(leaf: Leaf): string {
  switch (leaf.type) {
    case "event":
      return missingInConditions(leaf.event);
    case "aggregate":
      return leaf.attribute
        ? missingInTest(leaf.test) || missingInConditions(leaf.event)
        : "Choose an attribute.";
    case "occurrence":
      return missingInConditions(leaf.event) || missingInWindow(leaf.window);
    case "sequence":
      return leaf.steps.map(missingInConditions).find(Boolean) ?? "";
    case "user_attribute":
      return leaf.attribute ? missingInTest(leaf.test) : "Choose an attribute.";
    case "identity":
      return leaf.identity_type ? missingInTest(leaf.test) : "Choose an identity type.";
    case "first_seen":
    case "last_seen":
      return missingInWindow(leaf.window);
    case "device":
      return leaf.field ? missingInTest(leaf.test) : "Choose a property of the device.";
    case "location":
    case "install_attribution":
      return missingInTest(leaf.test);
    case "consent":
      return leaf.purpose ? "" : "Choose a purpose.";
    case "audience_membership":
      return leaf.audience_id ? "" : "Choose an audience.";
    case "cart_abandonment":
    case "location_within":
      return "";
  }
}

function missingInConditions(selector: Selector): string {
  const conditions = [...(selector.where ?? []), ...(selector.products ?? [])];
  if (conditions.some((each) => !each.attribute)) return "Choose an attribute for each condition.";
  return conditions.map((each) => missingInTest(each.test)).find(Boolean) ?? "";
}

function missingInTest(test: Test): string {
  switch (test.type) {
    case "string":
    case "list":
      return test.value === "" ? "Enter a value." : "";
    case "string_in":
    case "number_in":
      return test.values.length === 0 ? "Enter at least one value." : "";
    case "date":
      return missingInWindow(test.window);
    default:
      return "";
  }
}

function missingInWindow(window: Window): string {
  const days = [
    "date" in window ? window.date : "-",
    "start" in window ? window.start : "-",
    "end" in window ? window.end : "-",
  ];
  return days.some((each) => each === "") ? "Choose a date." : "";
}
