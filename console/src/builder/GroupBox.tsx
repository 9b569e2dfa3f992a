import { Button, SegmentedControl } from "@mantine/core";
import { IconBraces } from "@tabler/icons-react";
import type { RuleGroupProps } from "react-querybuilder";
import { AddCriterion } from "./AddCriterion";
import { NotesOf, Tools } from "./CriterionRow";
import type { Notes } from "./context";
import type { Leaf } from "./criteria";
import { type CriterionRule, type Group, newId, ruleOf } from "./tree";

const MAX_DEPTH = 6;

/** Criteria joined by And or Or; replaces the query builder's own group. */
export function GroupBox(props: RuleGroupProps) {
  const { path, actions, schema, translations, context } = props;
  const group = props.ruleGroup as Group;
  const notes = context as Notes;
  const { rule: Row, ruleGroup: Inner } = schema.controls;
  const isRoot = path.length === 0;
  const name = isRoot ? "the definition" : "this group";
  const add = (leaf: Leaf, excluded = false) => actions.onRuleAdd(ruleOf(leaf, excluded), path);
  const addGroup = () =>
    actions.onGroupAdd(
      { id: newId(), combinator: group.combinator === "or" ? "and" : "or", not: false, rules: [] },
      path,
    );
  const shared = { schema, actions, translations, context };
  return (
    <section
      className={`crit-group${group.not ? " is-excluded" : ""}`}
      aria-label={isRoot ? "Definition" : "Group of criteria"}
    >
      <div className="crit-head">
        <span>{group.not ? "Not those for whom" : "People for whom"}</span>
        <SegmentedControl
          size="xs"
          aria-label={`How ${name} joins its criteria`}
          value={group.combinator}
          onChange={(chosen) => actions.onPropChange("combinator", chosen, path)}
          data={[
            { value: "and", label: "And: all hold" },
            { value: "or", label: "Or: any holds" },
          ]}
        />
        <div style={{ flex: 1 }} />
        {!isRoot && (
          <Tools
            what="group"
            excluded={group.not ?? false}
            onExclude={(not) => actions.onPropChange("not", not, path)}
            onMove={(way) => actions.moveRule(path, way)}
            onRemove={() => actions.onGroupRemove(path)}
          />
        )}
      </div>
      <NotesOf id={group.id} notes={notes} />
      {group.rules.map((each, place) => {
        const isGroup = "rules" in each;
        const isExcluded = isGroup ? (each.not ?? false) : (each as CriterionRule).value.excluded;
        const here = [...path, place];
        return (
          <div key={each.id}>
            {(place > 0 || isExcluded) && (
              <Joint combinator={group.combinator} excluded={isExcluded} isFirst={place === 0} />
            )}
            {isGroup ? (
              <Inner {...shared} id={each.id} path={here} ruleGroup={each} />
            ) : (
              <Row {...shared} id={each.id} path={here} rule={each} />
            )}
          </div>
        );
      })}
      {group.rules.length === 0 && <p className="crit-word">Add the first criterion of {name}.</p>}
      <div className="crit-foot">
        <AddCriterion label={group.rules.length ? wordOf(group.combinator) : "Add criteria"} onAdd={add} />
        <AddCriterion label="Exclude" color="red" onAdd={(leaf) => add(leaf, true)} />
        {path.length < MAX_DEPTH && (
          <Button size="xs" variant="subtle" leftSection={<IconBraces size={15} />} onClick={addGroup}>
            Group
          </Button>
        )}
      </div>
    </section>
  );
}

function Joint({
  combinator,
  excluded,
  isFirst,
}: {
  combinator: string;
  excluded: boolean;
  isFirst: boolean;
}) {
  const isOr = combinator === "or";
  const word = excluded ? (isOr && !isFirst ? "Or not" : "Exclude") : wordOf(combinator);
  return <div className={`crit-joint${excluded ? " is-exclude" : isOr ? " is-or" : ""}`}>{word}</div>;
}

function wordOf(combinator: string): string {
  return combinator === "or" ? "Or" : "And";
}
