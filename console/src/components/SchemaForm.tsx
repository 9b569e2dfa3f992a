import { Checkbox, NumberInput, PasswordInput, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import { words } from "./format";

export type Values = Record<string, unknown>;
/** The part of JSON Schema that connectors' settings use. */
interface Node {
  $ref?: string;
  $defs?: Record<string, Node>;
  anyOf?: Node[];
  type?: string;
  enum?: string[];
  title?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  properties?: Record<string, Node>;
  required?: string[];
  items?: Node;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  confidential?: boolean;
  fixed?: boolean;
}

interface Props {
  schema: Record<string, unknown>;
  values: Values;
  onChange: (values: Values) => void;
  /** What the API says of a field, by its name. */
  errorOf: (name: string) => string | undefined;
  /** Settings that exist already: secrets may stay empty, and `fixed` ones cannot be changed. */
  isEdit?: boolean;
}

/** Fields for the settings that a JSON Schema describes. */
export function SchemaForm({ schema, values, onChange, errorOf, isEdit = false }: Props) {
  const root = schema as Node;
  const { properties = {}, required = [] } = resolved(root, root);
  return (
    <Stack gap="sm">
      {Object.entries(properties).map(([name, raw]) => {
        const node = resolved(raw, root);
        const field = {
          ...node,
          title: raw.title ?? node.title,
          description: raw.description ?? node.description,
        };
        return (
          <Field
            key={name}
            name={name}
            node={{ ...field, confidential: raw.confidential, fixed: raw.fixed, default: raw.default }}
            root={root}
            value={values[name] ?? raw.default}
            isRequired={required.includes(name) && !(isEdit && raw.confidential)}
            isLocked={isEdit && raw.fixed === true}
            isEdit={isEdit}
            error={errorOf(name)}
            onChange={(value) => onChange({ ...values, [name]: value })}
          />
        );
      })}
    </Stack>
  );
}

/** A reference followed, and "or null" taken off. */
function resolved(node: Node, root: Node): Node {
  if (node.$ref) return resolved(root.$defs?.[node.$ref.replace("#/$defs/", "")] ?? {}, root);
  const some = node.anyOf?.find((each) => each.type !== "null");
  return some ? { ...node, ...resolved(some, root) } : node;
}

interface FieldProps {
  name: string;
  node: Node;
  root: Node;
  value: unknown;
  isRequired: boolean;
  isLocked: boolean;
  isEdit: boolean;
  error?: string;
  onChange: (value: unknown) => void;
}

function Field({ name, node, root, value, isRequired, isLocked, isEdit, error, onChange }: FieldProps) {
  const shared = {
    label: node.title ?? words(name),
    description: node.description,
    error,
    required: isRequired,
    disabled: isLocked,
  };
  const text = typeof value === "string" ? value : "";
  if (node.type === "boolean") {
    return (
      <Checkbox
        label={shared.label}
        description={shared.description}
        error={error}
        disabled={isLocked}
        checked={value === true}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
    );
  }
  if (node.enum) {
    const data = node.enum.map((each) => ({ value: each, label: words(each.toLowerCase()) }));
    return (
      <Select {...shared} data={data} value={text || null} onChange={onChange} allowDeselect={!isRequired} />
    );
  }
  if (node.type === "integer" || node.type === "number") {
    return (
      <NumberInput
        {...shared}
        value={typeof value === "number" ? value : ""}
        onChange={(chosen) => onChange(typeof chosen === "number" ? chosen : null)}
        allowDecimal={node.type === "number"}
        min={node.minimum}
        max={node.maximum}
      />
    );
  }
  if (node.type === "array") {
    const choices = node.items ? (resolved(node.items, root).enum ?? []) : [];
    const chosen = Array.isArray(value) ? value.map(String) : [];
    return <TagsInput {...shared} data={choices} value={chosen} onChange={onChange} />;
  }
  if (node.confidential) {
    return (
      <PasswordInput
        {...shared}
        value={text}
        autoComplete="new-password"
        placeholder={isEdit ? "Stays as it is unless you enter another" : undefined}
        onChange={(event) => onChange(event.currentTarget.value || undefined)}
      />
    );
  }
  return (
    <TextInput
      {...shared}
      value={text}
      maxLength={node.maxLength}
      placeholder={typeof node.examples?.[0] === "string" ? node.examples[0] : undefined}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}

/** What was entered, without what was left empty. */
export function entered(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== null),
  );
}
