import { ActionIcon, Autocomplete, NumberInput, Select, TagsInput, TextInput, Tooltip } from "@mantine/core";
import { IconX } from "@tabler/icons-react";

/** The small fields that criteria are made of; each has a name for those who cannot see where it stands. */

export function Choice<V extends string>({
  label,
  value,
  options,
  onChange,
  width = 150,
}: {
  label: string;
  value: V;
  options: readonly (readonly [V, string])[];
  onChange: (value: V) => void;
  width?: number;
}) {
  return (
    <Select
      size="sm"
      aria-label={label}
      value={value}
      data={options.map(([each, text]) => ({ value: each, label: text }))}
      onChange={(chosen) => chosen && onChange(chosen as V)}
      allowDeselect={false}
      w={width}
      maw="100%"
      comboboxProps={{ width: "max-content", position: "bottom-start" }}
    />
  );
}

/** Free text with what is known to choose from. */
export function Suggesting({
  label,
  placeholder,
  value,
  known,
  onChange,
  width = 210,
}: {
  label: string;
  placeholder?: string;
  value: string;
  known: readonly string[];
  onChange: (value: string) => void;
  width?: number;
}) {
  return (
    <Autocomplete
      size="sm"
      aria-label={label}
      placeholder={placeholder ?? label}
      value={value}
      data={[...new Set(known)]}
      limit={50}
      onChange={onChange}
      w={width}
      maw="100%"
      maxLength={256}
      dir="auto"
      comboboxProps={{ width: "max-content", position: "bottom-start" }}
    />
  );
}

export function Several({
  label,
  values,
  known,
  onChange,
}: {
  label: string;
  values: readonly string[];
  known: readonly string[];
  onChange: (values: string[]) => void;
}) {
  return (
    <TagsInput
      size="sm"
      aria-label={label}
      placeholder="Type and press Enter"
      value={[...values]}
      data={[...new Set(known)]}
      onChange={onChange}
      w={300}
      maw="100%"
    />
  );
}

export function Whole({
  label,
  value,
  onChange,
  min = 0,
  max = 1_000_000_000,
  width = 84,
  isDecimal = false,
}: {
  label: string;
  value: number;
  onChange: (value: number) => void;
  min?: number;
  max?: number;
  width?: number;
  isDecimal?: boolean;
}) {
  return (
    <NumberInput
      size="sm"
      aria-label={label}
      value={value}
      onChange={(chosen) => typeof chosen === "number" && onChange(chosen)}
      allowDecimal={isDecimal}
      allowNegative={min < 0}
      min={min}
      max={max}
      hideControls
      w={width}
    />
  );
}

export function Day({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <TextInput
      size="sm"
      type="date"
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      w={150}
    />
  );
}

export function Remove({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <Tooltip label={label} openDelay={400}>
      <ActionIcon variant="subtle" color="gray" aria-label={label} onClick={onClick}>
        <IconX size={16} />
      </ActionIcon>
    </Tooltip>
  );
}

/** A word between fields. */
export function Word({ children }: { children: React.ReactNode }) {
  return <span className="crit-word">{children}</span>;
}

export function Line({ children }: { children: React.ReactNode }) {
  return <div className="crit-line">{children}</div>;
}
