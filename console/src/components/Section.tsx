import { Text } from "@mantine/core";

/** A part of a screen that has a name. */
export function Section({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section className="card is-padded" aria-label={title}>
      <Text fw={600} mb="xs" dir="auto">
        {title}
      </Text>
      {children}
    </section>
  );
}
