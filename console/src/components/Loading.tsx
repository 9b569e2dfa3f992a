import { Center, Loader } from "@mantine/core";

export function Loading() {
  return (
    <Center mih={160} role="status">
      <Loader size="sm" />
      <span className="visually-hidden">Loading</span>
    </Center>
  );
}
