import { Anchor, Stack, Text, Title } from "@mantine/core";
import { Link } from "react-router";

/** What belongs to another account is not found either. */
export function NotFound({ what = "page" }: { what?: string }) {
  return (
    <Stack className="page" gap="xs" mt="xl">
      <Title order={1} size="h2">
        Not found
      </Title>
      <Text c="dimmed">There is no such {what} in your account. It may have been deleted.</Text>
      <Anchor component={Link} to="/audiences/single">
        Go to your audiences
      </Anchor>
    </Stack>
  );
}
