import { Button, Checkbox, FileButton, Group, Image, Switch, Text } from "@mantine/core";
import { useState } from "react";
import { useEditReceiving, useReceiving, useTerms, useUploadLogo } from "../../api/sharing";
import type { Schema } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { done } from "../../components/done";
import { Failure } from "../../components/Failure";
import { FormDialog } from "../../components/FormDialog";

/** The switch, and what it asks for first: the terms, and a logo. */
export function Receiving() {
  const found = useReceiving();
  const edit = useEditReceiving();
  const [opened, setOpened] = useState<"on" | "off" | null>(null);
  const receiving = found.data;
  if (!receiving) return <Failure error={found.error} />;
  const off = () =>
    edit.mutate({ version: receiving.version, edit: { is_on: false } }, { onSuccess: () => setOpened(null) });
  return (
    <section className="card is-padded" aria-label="Receiving">
      <Group justify="space-between">
        <Group>
          {receiving.logo_url && (
            <Image src={receiving.logo_url} alt="Your logo" w={40} h={40} fit="contain" />
          )}
          <Switch
            label="Receiving"
            description={
              receiving.is_on ? `Others find you as ${receiving.name}` : "Nobody can offer you audiences"
            }
            checked={receiving.is_on}
            onChange={(event) => setOpened(event.currentTarget.checked ? "on" : "off")}
          />
        </Group>
        {receiving.is_on && (
          <Button variant="default" size="compact-sm" onClick={() => setOpened("on")}>
            Terms and logo
          </Button>
        )}
      </Group>
      {opened === "on" && <OptIn receiving={receiving} onClose={() => setOpened(null)} />}
      <Confirm
        opened={opened === "off"}
        title="Stop receiving?"
        says="Every audience that is shared with you, and every offer, ends for good; your partners are told to forget the members."
        button="Stop receiving"
        isBusy={edit.isPending}
        error={edit.error}
        onClose={() => setOpened(null)}
        onConfirm={off}
      />
    </section>
  );
}

function OptIn({ receiving, onClose }: { receiving: Schema<"ReceivingView">; onClose: () => void }) {
  const terms = useTerms();
  const upload = useUploadLogo();
  const edit = useEditReceiving();
  const [isAgreed, setAgreed] = useState(receiving.terms_version === receiving.current_terms_version);
  const submit = () =>
    edit.mutate(
      { version: receiving.version, edit: { terms_version: receiving.current_terms_version, is_on: true } },
      {
        onSuccess: () => {
          done("You receive audiences now");
          onClose();
        },
      },
    );
  return (
    <FormDialog
      title="Receive audiences"
      button={receiving.is_on ? "Save" : "Switch receiving on"}
      size="lg"
      isBusy={edit.isPending}
      isReady={isAgreed && receiving.logo_url !== null}
      error={upload.error ?? edit.error}
      onClose={onClose}
      onSubmit={submit}
    >
      <Text size="sm" fw={600}>
        Terms
      </Text>
      <Text size="sm" mah={220} style={{ overflowY: "auto", whiteSpace: "pre-wrap" }} tabIndex={0}>
        {terms.data?.text}
      </Text>
      <Failure error={terms.error} />
      <Checkbox
        label="We accept the terms"
        checked={isAgreed}
        onChange={(event) => setAgreed(event.currentTarget.checked)}
      />
      <Group>
        {receiving.logo_url && <Image src={receiving.logo_url} alt="Your logo" w={48} h={48} fit="contain" />}
        <FileButton accept="image/png" onChange={(file) => file && upload.mutate(file)}>
          {(props) => (
            <Button {...props} variant="default" loading={upload.isPending}>
              {receiving.logo_url ? "Replace the logo" : "Upload your logo (PNG)"}
            </Button>
          )}
        </FileButton>
      </Group>
    </FormDialog>
  );
}
