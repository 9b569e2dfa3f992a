import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { Failure } from "./Failure";

interface Props {
  opened: boolean;
  title: string;
  says: React.ReactNode;
  button: string;
  /** Harmless: nothing is lost by it. */
  isSafe?: boolean;
  isBusy: boolean;
  error?: unknown;
  onClose: () => void;
  onConfirm: () => void;
}

/** Asks before something is done. */
export function Confirm({ opened, title, says, button, isSafe, isBusy, error, onClose, onConfirm }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title={title}>
      <Stack>
        <Text size="sm">{says}</Text>
        <Failure error={error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button color={isSafe ? undefined : "red"} loading={isBusy} onClick={onConfirm}>
            {button}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
