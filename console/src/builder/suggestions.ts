import { useQuery } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { api, body } from "../api/client";
import type { Schema } from "../api/types";
import type { Sources } from "../components/InputPicker";
import type { Selector } from "./criteria";

export type Suggestions = Schema<"Suggestions">;
export type AttributeSuggestion = Schema<"AttributeSuggestion">;

const KEPT_MS = 5 * 60_000;
const NOTHING: Suggestions = {
  sampled: 0,
  events: [],
  user_attributes: [],
  account_attributes: [],
  device_fields: [],
  location_fields: [],
  identity_types: [],
  consents: [],
};

/** What the account's data know of: names and values to choose from. */
export function useSuggestionsOf(sources: Sources) {
  return useQuery({
    queryKey: ["suggestions", sources],
    queryFn: () =>
      body(
        api.GET("/v1/suggestions", {
          params: { query: { workspace: sources.workspaces, input: sources.inputs } },
        }),
      ),
    staleTime: KEPT_MS,
    enabled: sources.inputs.length > 0,
  });
}

const Context = createContext<Suggestions>(NOTHING);
export const SuggestionsProvider = Context.Provider;
export const NO_SUGGESTIONS = NOTHING;

export function useSuggestions(): Suggestions {
  return useContext(Context);
}

/** Names of events of a kind. */
export function namesOf(known: Suggestions, kind: Selector["kind"]): string[] {
  return known.events.filter((each) => each.kind === kind && each.name).map((each) => each.name);
}

/** Attributes of the events that a selector names; of all of its kind if it names none. */
export function attributesOf(
  known: Suggestions,
  { kind, name }: Selector,
  part: "attributes" | "products",
): AttributeSuggestion[] {
  const found = new Map<string, AttributeSuggestion>();
  for (const event of known.events) {
    if (event.kind !== kind || (name && event.name !== name)) continue;
    for (const each of event[part]) if (!found.has(each.name)) found.set(each.name, each);
  }
  return [...found.values()];
}
