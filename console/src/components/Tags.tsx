import { ActionIcon, Badge, Group, Popover, UnstyledButton } from "@mantine/core";
import { IconPencil } from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";
import type { AudienceRow } from "../api/types";

const TagsEditor = lazy(() => import("./TagsEditor"));

/** An audience's tags, edited where they stand. */
export function Tags({ audience, isShort = false }: { audience: AudienceRow; isShort?: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const editor = (
    <Popover opened={isOpen} onChange={setOpen} position="bottom-start" width={300} trapFocus withArrow>
      <Popover.Target>
        {isShort ? (
          <UnstyledButton onClick={() => setOpen(!isOpen)} aria-label={`Tags of ${audience.name}`}>
            <Badge variant={audience.tags.length ? "light" : "default"} tt="none">
              {audience.tags.length || "+"}
            </Badge>
          </UnstyledButton>
        ) : (
          <ActionIcon variant="subtle" color="gray" aria-label="Edit tags" onClick={() => setOpen(!isOpen)}>
            <IconPencil size={16} />
          </ActionIcon>
        )}
      </Popover.Target>
      <Popover.Dropdown>
        <Suspense>{isOpen && <TagsEditor audience={audience} onDone={() => setOpen(false)} />}</Suspense>
      </Popover.Dropdown>
    </Popover>
  );
  if (isShort) return editor;
  return (
    <Group gap={6}>
      {audience.tags.map((tag) => (
        <Badge key={tag} variant="light" tt="none" maw={180}>
          <span dir="auto">{tag}</span>
        </Badge>
      ))}
      {editor}
    </Group>
  );
}
