import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { ANY_TEXT, type Condition, type Selector } from "./criteria";
import { Line, Remove, Suggesting, Word } from "./fields";
import { attributesOf, useSuggestions } from "./suggestions";
import { firstTest, TestEditor } from "./TestEditor";

const MAX_CONDITIONS = 20;

/** What must hold on the same event, and on one product of it. */
export function ConditionsEditor({
  value,
  onChange,
}: {
  value: Selector;
  onChange: (value: Selector) => void;
}) {
  return (
    <>
      <Conditions value={value} onChange={onChange} field="where" part="attributes" word="where" />
      {value.kind === "commerce_event" && (
        <Conditions
          value={value}
          onChange={onChange}
          field="products"
          part="products"
          word="of a product whose"
        />
      )}
    </>
  );
}

interface Props {
  value: Selector;
  onChange: (value: Selector) => void;
  field: "where" | "products";
  part: "attributes" | "products";
  word: string;
}

function Conditions({ value, onChange, field, part, word }: Props) {
  const known = attributesOf(useSuggestions(), value, part);
  const conditions = value[field] ?? [];
  const put = (next: readonly Condition[]) => onChange({ ...value, [field]: next });
  return (
    <div className="crit-conditions">
      {conditions.map((condition, place) => {
        const found = known.find((each) => each.name === condition.attribute);
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: a condition is its place
          <Line key={place}>
            <Word>{place === 0 ? word : "and"}</Word>
            <Suggesting
              label="Attribute"
              value={condition.attribute}
              known={known.map((each) => each.name)}
              onChange={(attribute) => {
                const first = firstTest(
                  known.find((each) => each.name === attribute),
                  condition.test,
                );
                put(conditions.with(place, { attribute, test: first }));
              }}
              width={180}
            />
            <TestEditor
              value={condition.test}
              onChange={(test) => put(conditions.with(place, { ...condition, test }))}
              known={found}
            />
            <Remove label="Remove this condition" onClick={() => put(conditions.toSpliced(place, 1))} />
          </Line>
        );
      })}
      {conditions.length < MAX_CONDITIONS && (
        <Button
          size="compact-sm"
          variant="subtle"
          leftSection={<IconPlus size={14} />}
          onClick={() => put([...conditions, { attribute: "", test: ANY_TEXT }])}
        >
          {field === "products" ? "Product condition" : "Condition"}
        </Button>
      )}
    </div>
  );
}
