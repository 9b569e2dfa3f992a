import { Button, Group, Stack, Text } from "@mantine/core";
import { useAuthorize, useOutputs } from "../../api/outputs";
import type { Connector, Output } from "../../api/types";
import { Failure } from "../../components/Failure";

/** A window at the partner; it comes back to a page of the API, which keeps the log-in. */
export function LogIn({ connector, output }: { connector: Connector; output: Output }) {
  const authorize = useAuthorize();
  const outputs = useOutputs();
  // As it is meanwhile: the other window does not tell this one.
  const isLoggedIn = (outputs.data?.find((each) => each.id === output.id) ?? output).is_logged_in;
  return (
    <Stack gap={4}>
      <Group>
        <Button
          variant="default"
          loading={authorize.isPending}
          onClick={() =>
            authorize.mutate(output.id, {
              onSuccess: ({ authorization_url: url }) => window.open(url, "_blank", "noopener"),
            })
          }
        >
          {isLoggedIn ? `Log in at ${connector.name} again` : `Log in at ${connector.name}`}
        </Button>
        {isLoggedIn && (
          <Text size="sm" c="dimmed">
            Somebody is logged in.
          </Text>
        )}
      </Group>
      <Failure error={authorize.error} />
    </Stack>
  );
}
