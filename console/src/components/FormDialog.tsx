import { Button, Group, Modal, Stack } from "@mantine/core";
import { Failure } from "./Failure";

interface Props {
  title: string;
  button: string;
  /** Of the button that leaves without doing anything. */
  leave?: string;
  isBusy: boolean;
  isReady?: boolean;
  error: unknown;
  /** Pointers of the fields that say themselves what is wrong with them. */
  shown?: readonly string[];
  size?: string;
  onClose: () => void;
  onSubmit: () => void;
  children: React.ReactNode;
}

/** A form in a window of its own. */
export function FormDialog({
  title,
  button,
  leave = "Cancel",
  isBusy,
  isReady = true,
  error,
  shown,
  size,
  onClose,
  onSubmit,
  children,
}: Props) {
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <Modal opened onClose={onClose} title={title} size={size}>
      <form onSubmit={submit} autoComplete="off">
        <Stack>
          {children}
          <Failure error={error} shown={shown} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {leave}
            </Button>
            <Button type="submit" loading={isBusy} disabled={!isReady}>
              {button}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
