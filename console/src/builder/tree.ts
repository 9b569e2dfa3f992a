import type { RuleGroupType, RuleType } from "react-querybuilder";
import type { Criterion, Leaf } from "./criteria";

/** A criterion as the builder holds it: `excluded` turns it round. */
export interface Item {
  leaf: Leaf;
  excluded: boolean;
}

export type CriterionRule = RuleType<string, string, Item>;
export type Group = RuleGroupType<CriterionRule, "and" | "or">;

export const ROOT = "/definition/root";

let lastId = 0;
/** Ids tell rules of one page apart; they are never stored. */
export function newId(): string {
  lastId += 1;
  return `c${lastId}`;
}

export function ruleOf(leaf: Leaf, excluded = false): CriterionRule {
  return { id: newId(), field: leaf.type, operator: "=", value: { leaf, excluded } };
}

/** A definition as groups and rules; the outermost is always a group. */
export function toGroup(root: Criterion): Group {
  const item = toItem(root);
  return "rules" in item && !item.not ? item : { id: newId(), combinator: "and", not: false, rules: [item] };
}

function toItem(criterion: Criterion): Group | CriterionRule {
  switch (criterion.type) {
    case "all_of":
      return { id: newId(), combinator: "and", not: false, rules: criterion.criteria.map(toItem) };
    case "any_of":
      return { id: newId(), combinator: "or", not: false, rules: criterion.criteria.map(toItem) };
    case "not":
      return excluded(toItem(criterion.criterion));
    default:
      return ruleOf(criterion);
  }
}

function excluded(item: Group | CriterionRule): Group | CriterionRule {
  if (!("rules" in item)) {
    return item.value.excluded
      ? { id: newId(), combinator: "and", not: true, rules: [item] }
      : { ...item, value: { ...item.value, excluded: true } };
  }
  return item.not ? { id: newId(), combinator: "and", not: true, rules: [item] } : { ...item, not: true };
}

export interface Written {
  root: Criterion;
  /** JSON pointer of a node -> id of its rule or group. */
  places: ReadonlyMap<string, string>;
}

/** The definition that the groups stand for; null while a group is empty. */
export function toDefinition(group: Group): Written | null {
  const places = new Map<string, string>();
  const root = write(group, ROOT, places);
  return root ? { root, places } : null;
}

function write(item: Group | CriterionRule, path: string, places: Map<string, string>): Criterion | null {
  places.set(path, item.id ?? "");
  const isExcluded = "rules" in item ? item.not : item.value.excluded;
  if (isExcluded) {
    const criterion = writeInner(item, `${path}/criterion`, places);
    return criterion && { type: "not", criterion };
  }
  return writeInner(item, path, places);
}

function writeInner(
  item: Group | CriterionRule,
  path: string,
  places: Map<string, string>,
): Criterion | null {
  places.set(path, item.id ?? "");
  if (!("rules" in item)) return item.value.leaf;
  const [only] = item.rules;
  if (!only) return null;
  // One criterion alone needs no logic around it.
  if (item.rules.length === 1) return write(only as Group | CriterionRule, path, places);
  const criteria: Criterion[] = [];
  for (const [place, each] of item.rules.entries()) {
    const written = write(each as Group | CriterionRule, `${path}/criteria/${place}`, places);
    if (!written) return null;
    criteria.push(written);
  }
  return { type: item.combinator === "or" ? "any_of" : "all_of", criteria };
}

/** Id of the rule or group that a pointer leads into. */
export function placeOf(pointer: string, places: ReadonlyMap<string, string>): string | undefined {
  for (let path = pointer; path.startsWith(ROOT); path = path.slice(0, path.lastIndexOf("/"))) {
    const id = places.get(path);
    if (id) return id;
  }
  return undefined;
}

/** Every criterion, in the order in which it is shown. */
export function leavesOf(group: Group): CriterionRule[] {
  return group.rules.flatMap((each) => ("rules" in each ? leavesOf(each as Group) : [each as CriterionRule]));
}

/** Criteria are called A, B, ... Z, AA. */
export function letter(place: number): string {
  const rest = Math.floor(place / 26);
  return (rest > 0 ? letter(rest - 1) : "") + String.fromCharCode(65 + (place % 26));
}

/** The logic in one line, such as "A and (B or C) exclude D". */
export function expression(group: Group, letters: ReadonlyMap<string, string>): string {
  const texts = group.rules.map((each, place) => {
    const isGroup = "rules" in each;
    const isExcluded = isGroup ? each.not : (each as CriterionRule).value.excluded;
    const inner = isGroup ? `(${expression(each as Group, letters)})` : (letters.get(each.id ?? "") ?? "?");
    const joint = place === 0 ? "" : group.combinator === "or" ? " or " : isExcluded ? " exclude " : " and ";
    const isSaid = joint === " exclude " || !isExcluded;
    return `${joint}${isSaid ? "" : "not "}${inner}`;
  });
  return texts.join("");
}
