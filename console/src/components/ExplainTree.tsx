import "./ExplainTree.css";
import { Text } from "@mantine/core";
import { IconCircleCheckFilled, IconCircleXFilled } from "@tabler/icons-react";
import type { ExplainedNode, Explanation } from "../api/types";
import { utc } from "./format";

/** Why a user is or is not in an audience, criterion by criterion. */
export function ExplainTree({ explanation }: { explanation: Explanation }) {
  const { is_member: isMember, next_change: next } = explanation;
  return (
    <div data-testid="explanation">
      <Text size="sm" fw={600} mb={4}>
        {isMember ? "A member" : "Not a member"}
        {next ? `, until ${utc(next.at)} UTC if nothing happens` : ""}
      </Text>
      <ul className="explain">
        <Node node={explanation.population} />
        <Node node={explanation.root} />
      </ul>
    </div>
  );
}

function Node({ node }: { node: ExplainedNode }) {
  const seen = sawText(node);
  return (
    <li>
      <div className="explain-node">
        {node.value ? (
          <IconCircleCheckFilled
            size={18}
            color="var(--mantine-color-green-light-color)"
            role="img"
            aria-label="Holds"
            style={{ flex: "none" }}
          />
        ) : (
          <IconCircleXFilled
            size={18}
            color="var(--mantine-color-red-text)"
            role="img"
            aria-label="Does not hold"
            style={{ flex: "none" }}
          />
        )}
        <span>
          <span dir="auto">{node.summary}</span>
          {seen && (
            <Text span size="sm" c="dimmed">
              {" "}
              {seen}
            </Text>
          )}
          {node.deciding?.[0] && (
            <Text span size="sm" c="dimmed">
              {" "}
              Latest: {utc(node.deciding[0].at)} UTC.
            </Text>
          )}
          {node.next_change && (
            <Text span size="sm" c="dimmed">
              {" "}
              {node.value ? "Until" : "From"} {utc(node.next_change.at)} UTC.
            </Text>
          )}
        </span>
      </div>
      {node.children && node.children.length > 0 && (
        <ul className="explain">
          {node.children.map((each) => (
            <Node key={each.path + each.type} node={each} />
          ))}
        </ul>
      )}
    </li>
  );
}

function sawText({ saw, children }: ExplainedNode): string {
  if (!saw || (children && children.length > 0)) return "";
  if (saw.what === "nothing") return "There is no value.";
  if (saw.what === "instant" && typeof saw.value === "string") return `It was ${utc(saw.value)} UTC.`;
  const value = typeof saw.value === "object" ? JSON.stringify(saw.value) : String(saw.value);
  return saw.what === "count" ? `Counted: ${value}.` : `It is ${value}.`;
}
