import { Stack, Text } from "@mantine/core";

/** Nothing is there yet: what it is for, and what to do first. */
export function Empty({
  title,
  says,
  children,
}: {
  title: string;
  says: React.ReactNode;
  children?: React.ReactNode;
}) {
  return (
    <Stack align="center" gap={6} py={48} px="md" ta="center">
      <Text fw={600} size="lg">
        {title}
      </Text>
      <Text c="dimmed" maw={520}>
        {says}
      </Text>
      {children && <div style={{ marginTop: 10 }}>{children}</div>}
    </Stack>
  );
}
