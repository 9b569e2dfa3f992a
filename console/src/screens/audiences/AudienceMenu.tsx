import { ActionIcon, Menu } from "@mantine/core";
import {
  IconArchive,
  IconCopy,
  IconDots,
  IconDownload,
  IconPencil,
  IconPlayerPlay,
  IconPlayerStop,
  IconTrash,
} from "@tabler/icons-react";
import { useState } from "react";
import { useNavigate } from "react-router";
import { type AudienceAct, useAudienceAct } from "../../api/audiences";
import type { AudienceRow } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { done } from "../../components/done";

const ASKS: Readonly<Record<AudienceAct, { title: string; says: string; button: string; done: string }>> = {
  activate: {
    title: "Activate",
    says: "It starts to fill with everybody who fits its definition.",
    button: "Activate",
    done: "The audience is active",
  },
  deactivate: {
    title: "Deactivate",
    says: "It becomes a draft and loses all its members; connected partners are told to forget them.",
    button: "Deactivate",
    done: "The audience is a draft",
  },
  clone: {
    title: "Clone",
    says: "A draft with the same definition and tags.",
    button: "Clone",
    done: "Cloned",
  },
  archive: {
    title: "Archive",
    says: "It leaves the ready audiences. It can be cloned and calculated again.",
    button: "Archive",
    done: "Archived",
  },
  delete: {
    title: "Delete",
    says: "The audience, its members and its history go for good.",
    button: "Delete",
    done: "Deleted",
  },
};

/** What can be done with an audience of a list. */
export function AudienceMenu({ audience, onGone }: { audience: AudienceRow; onGone?: () => void }) {
  const [asked, setAsked] = useState<AudienceAct | null>(null);
  const act = useAudienceAct();
  const navigate = useNavigate();
  const run = (chosen: AudienceAct) =>
    act.mutate(
      { id: audience.id, version: audience.version, act: chosen },
      {
        onSuccess: (left) => {
          setAsked(null);
          done(ASKS[chosen].done);
          if (chosen === "clone" && left) navigate(`/audiences/${left.id}`);
          if (chosen === "delete") onGone?.();
        },
      },
    );
  const ask = (chosen: AudienceAct) => {
    act.reset();
    setAsked(chosen);
  };
  const { kind, status } = audience;
  const isRealTime = kind === "real_time";
  return (
    <>
      <Menu position="bottom-end" width={180}>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${audience.name}`}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={<IconPencil size={16} />}
            onClick={() => navigate(`/audiences/${audience.id}`)}
          >
            Open
          </Menu.Item>
          {isRealTime && status === "draft" && (
            <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={() => ask("activate")}>
              Activate
            </Menu.Item>
          )}
          {isRealTime && status === "active" && (
            <Menu.Item leftSection={<IconPlayerStop size={16} />} onClick={() => ask("deactivate")}>
              Deactivate
            </Menu.Item>
          )}
          {(status === "active" || status === "ready") && (
            <Menu.Item
              leftSection={<IconDownload size={16} />}
              onClick={() => navigate(`/audiences/${audience.id}/download`)}
            >
              Download
            </Menu.Item>
          )}
          {status === "ready" && (
            <Menu.Item leftSection={<IconArchive size={16} />} onClick={() => ask("archive")}>
              Archive
            </Menu.Item>
          )}
          <Menu.Item leftSection={<IconCopy size={16} />} onClick={() => run("clone")}>
            Clone
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => ask("delete")}>
            Delete
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asked && (
        <Confirm
          opened
          title={`${ASKS[asked].title} this audience?`}
          says={
            <>
              <b dir="auto">{audience.name}</b>: {ASKS[asked].says}
            </>
          }
          button={ASKS[asked].button}
          isSafe={asked !== "delete" && asked !== "deactivate"}
          isBusy={act.isPending}
          error={act.error}
          onClose={() => setAsked(null)}
          onConfirm={() => run(asked)}
        />
      )}
    </>
  );
}
