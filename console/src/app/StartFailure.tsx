import { Button, Stack, Text, Title } from "@mantine/core";

/** What is shown when nobody could be signed in. */
export function StartFailure({ error }: { error: unknown }) {
  return (
    <Stack component="main" maw={520} mx="auto" mt={120} p="md">
      <Title order={1} size="h2">
        You could not be signed in
      </Title>
      <Text>{error instanceof Error ? error.message : String(error)}</Text>
      <div>
        <Button onClick={() => window.location.assign("/")}>Try again</Button>
      </div>
    </Stack>
  );
}
