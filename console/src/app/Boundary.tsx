import { Button, Stack, Text, Title } from "@mantine/core";
import { Component } from "react";

interface Props {
  children: React.ReactNode;
}

/** A screen that broke, or whose code could not be loaded, leaves the rest of the console standing. */
export class Boundary extends Component<Props, { error: unknown }> {
  override state = { error: null as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <Stack maw={520} p="md" role="alert">
        <Title order={1} size="h2">
          This screen cannot be shown
        </Title>
        <Text>{error instanceof Error ? error.message : "Something went wrong."}</Text>
        <div>
          <Button onClick={() => window.location.reload()}>Load it again</Button>
        </div>
      </Stack>
    );
  }
}
