import { Button, Checkbox, MultiSelect, Stack, Switch, Table, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconShare } from "@tabler/icons-react";
import { useState } from "react";
import { useAudienceChoices } from "../../api/audiences";
import { fieldError } from "../../api/problem";
import { useOffer, useReceivers, useShared, useUnshare } from "../../api/sharing";
import type { Schema } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { done } from "../../components/done";
import { FormDialog } from "../../components/FormDialog";
import { count, percent, utc } from "../../components/format";
import { Listed } from "../../components/Listed";
import { PageHead } from "../../components/PageHead";
import { StatusBadge } from "../../components/StatusBadge";

const COLUMNS = ["Name", "Receiver", "#Size", "#Adds", "#Drops", "#Volatility", "Status", "Date shared"];

/** Audiences of ours that others use. */
export default function SharedScreen() {
  const found = useShared();
  const [isNew, setNew] = useState(false);
  return (
    <div className="page">
      <PageHead
        title="Shared audiences"
        says={
          <Text c="dimmed">
            Receivers connect them to their own outputs; they see no definition and no profile.
          </Text>
        }
      >
        <Button leftSection={<IconShare size={17} />} onClick={() => setNew(true)}>
          Share audience
        </Button>
      </PageHead>
      <Listed
        label="Shared audiences"
        found={found}
        items={found.data ?? []}
        empty={{
          title: "Nothing is shared yet",
          says: "Offer active audiences to another customer who has switched receiving on. Until it is accepted, an offer is pending.",
        }}
        columns={COLUMNS}
        row={(each) => <Row key={each.id} shared={each} />}
      />
      {isNew && <Share onClose={() => setNew(false)} />}
    </div>
  );
}

function Row({ shared }: { shared: Schema<"SharedView"> }) {
  const unshare = useUnshare();
  const [asks, setAsks] = useState(false);
  return (
    <Table.Tr>
      <Table.Td dir="auto">{shared.name}</Table.Td>
      <Table.Td dir="auto">{shared.receiver.name}</Table.Td>
      <Table.Td className="is-number">{count(shared.size)}</Table.Td>
      <Table.Td className="is-number">{count(shared.adds_24h)}</Table.Td>
      <Table.Td className="is-number">{count(shared.drops_24h)}</Table.Td>
      <Table.Td className="is-number">{percent(shared.volatility)}</Table.Td>
      <Table.Td>
        <StatusBadge status={shared.status} />
      </Table.Td>
      <Table.Td className="figure">{utc(shared.shared_at)}</Table.Td>
      <Table.Td>
        <Button size="compact-sm" variant="subtle" color="red" onClick={() => setAsks(true)}>
          Unshare
        </Button>
        <Confirm
          opened={asks}
          title="Stop sharing?"
          says="The receiver's partners are told to forget every member. To share it again, you must offer it again."
          button="Unshare"
          isBusy={unshare.isPending}
          error={unshare.error}
          onClose={() => setAsks(false)}
          onConfirm={() => unshare.mutate(shared.id, { onSuccess: () => setAsks(false) })}
        />
      </Table.Td>
    </Table.Tr>
  );
}

function Share({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [q] = useDebouncedValue(text, 250);
  const audiences = useAudienceChoices({ kind: "real_time", status: "active", sort: "name" });
  const receivers = useReceivers(q);
  const [chosen, setChosen] = useState<string[]>([]);
  // Who was chosen stays known, whatever is searched for next.
  const [known, setKnown] = useState<ReadonlyMap<string, string>>(new Map());
  const [to, setTo] = useState<string[]>([]);
  const [mayExport, setMayExport] = useState(false);
  const offer = useOffer();
  const names = new Map([...known, ...(receivers.data ?? []).map((each) => [each.id, each.name] as const)]);
  const submit = () =>
    offer.mutate(
      { audience_ids: chosen.map(Number), receiver_ids: to, may_export: mayExport },
      {
        onSuccess: () => {
          done("Offered");
          onClose();
        },
      },
    );
  return (
    <FormDialog
      title="Share audiences"
      button="Share"
      size="lg"
      isBusy={offer.isPending}
      isReady={chosen.length > 0 && to.length > 0}
      error={offer.error}
      shown={["/audience_ids", "/receiver_ids"]}
      onClose={onClose}
      onSubmit={submit}
    >
      <Checkbox.Group
        label="Audiences"
        description="Only active ones can be shared."
        value={chosen}
        onChange={setChosen}
        error={fieldError(offer.error, "/audience_ids")}
      >
        <Stack gap="xs" mt="xs" mah={240} style={{ overflowY: "auto" }}>
          {audiences.data?.items.map((each) => (
            <Checkbox key={each.id} value={String(each.id)} label={<bdi>{each.name}</bdi>} />
          ))}
        </Stack>
      </Checkbox.Group>
      <MultiSelect
        label="Receivers"
        description="Customers who have switched receiving on; search by name."
        data={[...names].map(([value, label]) => ({ value, label }))}
        value={to}
        onChange={(next) => {
          setTo(next);
          setKnown(names);
        }}
        searchValue={text}
        onSearchChange={setText}
        searchable
        nothingFoundMessage="Nobody of that name receives audiences"
        error={fieldError(offer.error, "/receiver_ids")}
      />
      <Switch
        label="They may download the members' identities"
        checked={mayExport}
        onChange={(event) => setMayExport(event.currentTarget.checked)}
      />
    </FormDialog>
  );
}
