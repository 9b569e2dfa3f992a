import { Button, Group, Modal, Stack, Text } from "@mantine/core";

interface Props {
  opened: boolean;
  title: string;
  says: React.ReactNode;
  button: string;
  isBusy: boolean;
  error?: React.ReactNode;
  onClose: () => void;
  onConfirm: () => void;
}

/** Asks before something that cannot be undone. */
export function Confirm({ opened, title, says, button, isBusy, error, onClose, onConfirm }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <Stack>
        <Text size="sm">{says}</Text>
        {error}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button color="red" loading={isBusy} onClick={onConfirm}>
            {button}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
