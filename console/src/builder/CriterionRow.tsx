import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconCircleMinus, IconCirclePlus, IconTrash } from "@tabler/icons-react";
import type { RuleProps } from "react-querybuilder";
import type { Finding } from "../api/types";
import type { Notes } from "./context";
import { missingIn, titleOf } from "./criteria";
import { LeafEditor } from "./LeafEditor";
import type { Item } from "./tree";

/** One criterion; replaces the query builder's own row of field, operator and value. */
export function CriterionRow({ path, actions, rule, context }: RuleProps) {
  const item = rule.value as Item;
  const notes = context as Notes;
  const name = notes.letters.get(rule.id ?? "") ?? "";
  const put = (next: Partial<Item>) => actions.onPropChange("value", { ...item, ...next }, path);
  const missing = missingIn(item.leaf);
  return (
    <fieldset
      className={`crit-row${item.excluded ? " is-excluded" : ""}`}
      style={{ margin: 0 }}
      aria-label={`Criterion ${name}: ${titleOf(item.leaf)}`}
      data-criterion={name}
    >
      <span className="crit-letter" aria-hidden>
        {name}
      </span>
      <span className="crit-title">{titleOf(item.leaf)}</span>
      <Tools
        what={`criterion ${name}`}
        excluded={item.excluded}
        onExclude={(excluded) => put({ excluded })}
        onMove={(way) => actions.moveRule(path, way)}
        onRemove={() => actions.onRuleRemove(path)}
      />
      <div className="crit-body">
        <LeafEditor value={item.leaf} onChange={(leaf) => put({ leaf })} />
        {missing && <div className={`crit-note${notes.isStrict ? " is-error" : ""}`}>{missing}</div>}
        <NotesOf id={rule.id} notes={notes} />
      </div>
    </fieldset>
  );
}

interface ToolsProps {
  what: string;
  excluded: boolean;
  onExclude: (excluded: boolean) => void;
  onMove: (way: "up" | "down") => void;
  onRemove: () => void;
}

export function Tools({ what, excluded, onExclude, onMove, onRemove }: ToolsProps) {
  const tools = [
    [`Move ${what} up`, <IconArrowUp key="i" size={16} />, () => onMove("up")],
    [`Move ${what} down`, <IconArrowDown key="i" size={16} />, () => onMove("down")],
    [`Remove ${what}`, <IconTrash key="i" size={16} />, onRemove],
  ] as const;
  return (
    <div className="crit-tools">
      <Button
        size="compact-xs"
        variant={excluded ? "light" : "subtle"}
        color={excluded ? "red" : "gray"}
        aria-pressed={excluded}
        aria-label={`${excluded ? "Excluded" : "Included"}: exclude ${what}`}
        leftSection={excluded ? <IconCircleMinus size={14} /> : <IconCirclePlus size={14} />}
        onClick={() => onExclude(!excluded)}
      >
        {excluded ? "Excluded" : "Included"}
      </Button>
      {tools.map(([label, icon, act]) => (
        <Tooltip key={label} label={label} openDelay={500}>
          <ActionIcon variant="subtle" color="gray" size="sm" aria-label={label} onClick={act}>
            {icon}
          </ActionIcon>
        </Tooltip>
      ))}
    </div>
  );
}

/** What the API says of a criterion, beside it. */
export function NotesOf({ id = "", notes }: { id?: string; notes: Notes }) {
  return (
    <>
      {(notes.errors.get(id) ?? []).map((message) => (
        <div key={message} className="crit-note is-error" role="alert">
          {message}
        </div>
      ))}
      {(notes.findings.get(id) ?? []).map((each) => (
        <FindingNote key={each.code + each.path} finding={each} />
      ))}
    </>
  );
}

function FindingNote({ finding }: { finding: Finding }) {
  const { message, suggestion } = finding;
  return (
    <div className="crit-note" data-testid="finding">
      {message.charAt(0).toUpperCase() + message.slice(1)}
      {suggestion && <b> {suggestion.charAt(0).toUpperCase() + suggestion.slice(1)}</b>}
    </div>
  );
}
