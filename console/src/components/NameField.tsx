import { TextInput, type TextInputProps } from "@mantine/core";

interface Props extends Omit<TextInputProps, "onChange" | "value"> {
  value: string;
  onChange: (value: string) => void;
}

/** What people call something: up to 100 characters of any script. */
export function NameField({ onChange, ...rest }: Props) {
  return (
    <TextInput
      maxLength={100}
      dir="auto"
      onChange={(event) => onChange(event.currentTarget.value)}
      {...rest}
    />
  );
}
