import "./Builder.css";
import { QueryBuilder, type RuleGroupType } from "react-querybuilder";
import { CriterionRow } from "./CriterionRow";
import type { Notes } from "./context";
import { GroupBox } from "./GroupBox";
import { type Suggestions, SuggestionsProvider } from "./suggestions";
import type { Group } from "./tree";

const CONTROLS = { rule: CriterionRow, ruleGroup: GroupBox };
const COMBINATORS = [
  { name: "and", label: "And" },
  { name: "or", label: "Or" },
];

interface Props {
  value: Group;
  onChange: (value: Group) => void;
  notes: Notes;
  suggestions: Suggestions;
}

/** A definition as a tree of groups and criteria. */
export function Builder({ value, onChange, notes, suggestions }: Props) {
  return (
    <SuggestionsProvider value={suggestions}>
      <QueryBuilder
        query={value as RuleGroupType}
        onQueryChange={(next) => onChange(next as unknown as Group)}
        combinators={COMBINATORS}
        controlElements={CONTROLS}
        context={notes}
        suppressStandardClassnames
        enableMountQueryChange={false}
        resetOnFieldChange={false}
      />
    </SuggestionsProvider>
  );
}
