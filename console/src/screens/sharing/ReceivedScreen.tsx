import { Alert, Anchor, Button, Group, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { useAnswerOffer, useGiveUp, useOffers, useReceived } from "../../api/sharing";
import type { Schema } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { Failure } from "../../components/Failure";
import { count, percent, utc } from "../../components/format";
import { Listed } from "../../components/Listed";
import { PageHead } from "../../components/PageHead";
import { FaultIcon } from "../audiences/FaultIcon";
import { Receiving } from "./Receiving";

const COLUMNS = ["Name", "From", "#Size", "#Adds", "#Drops", "#Volatility", "Connected outputs"];

/** Audiences of others that we may use. */
export default function ReceivedScreen() {
  const found = useReceived();
  return (
    <div className="page">
      <PageHead
        title="Received audiences"
        says={
          <Text c="dimmed">Audiences that other customers share with you. Connect them like your own.</Text>
        }
      />
      <Stack>
        <Receiving />
        {(found.data?.pending ?? 0) > 0 && <Offers count={found.data?.pending ?? 0} />}
        <Listed
          label="Received audiences"
          found={found}
          items={found.data?.items ?? []}
          empty={{
            title: "Nothing was shared with you yet",
            says: "Switch receiving on, and others find you by your name. What they offer appears here, for you to accept or reject.",
          }}
          columns={COLUMNS}
          row={(each) => <Row key={each.id} received={each} />}
        />
      </Stack>
    </div>
  );
}

function Offers({ count: pending }: { count: number }) {
  const offers = useOffers();
  const answer = useAnswerOffer();
  return (
    <Alert color="blue" title={`${pending} ${pending === 1 ? "audience" : "audiences"} pending`}>
      <Failure error={offers.error ?? answer.error} />
      <Stack gap="xs">
        {offers.data?.map((each) => (
          <Group key={each.id} justify="space-between">
            <Text size="sm">
              <b dir="auto">{each.name}</b> from <bdi>{each.initiator}</bdi>, offered {utc(each.offered_at)}{" "}
              UTC
            </Text>
            <Group gap="xs">
              <Button
                size="compact-sm"
                loading={answer.isPending}
                aria-label={`Accept ${each.name}`}
                onClick={() => answer.mutate({ id: each.id, answer: "accept" })}
              >
                Accept
              </Button>
              <Button
                size="compact-sm"
                variant="default"
                aria-label={`Reject ${each.name}`}
                onClick={() => answer.mutate({ id: each.id, answer: "reject" })}
              >
                Reject
              </Button>
            </Group>
          </Group>
        ))}
      </Stack>
    </Alert>
  );
}

function Row({ received }: { received: Schema<"ReceivedView"> }) {
  const giveUp = useGiveUp();
  const [asks, setAsks] = useState(false);
  const to = `/sharing/received/${received.id}`;
  return (
    <Table.Tr>
      <Table.Td>
        <Group gap={4} wrap="nowrap">
          <Anchor component={Link} to={to} fw={600} size="sm" dir="auto">
            {received.name}
          </Anchor>
          <FaultIcon faults={received.faults} name={received.name} />
        </Group>
      </Table.Td>
      <Table.Td dir="auto">{received.initiator}</Table.Td>
      <Table.Td className="is-number">{count(received.size)}</Table.Td>
      <Table.Td className="is-number">{count(received.adds_24h)}</Table.Td>
      <Table.Td className="is-number">{count(received.drops_24h)}</Table.Td>
      <Table.Td className="is-number">{percent(received.volatility)}</Table.Td>
      <Table.Td>
        <Anchor
          component={Link}
          to={to}
          size="sm"
          aria-label={
            received.connected_outputs ? `${received.connected_outputs} connected outputs` : undefined
          }
        >
          {received.connected_outputs || "Connect"}
        </Anchor>
      </Table.Td>
      <Table.Td>
        <Button size="compact-sm" variant="subtle" color="red" onClick={() => setAsks(true)}>
          Remove
        </Button>
        <Confirm
          opened={asks}
          title="Give this audience up?"
          says="Your partners are told to forget every member, and the audience disappears here. Its owner would have to offer it again."
          button="Remove"
          isBusy={giveUp.isPending}
          error={giveUp.error}
          onClose={() => setAsks(false)}
          onConfirm={() => giveUp.mutate(received.id, { onSuccess: () => setAsks(false) })}
        />
      </Table.Td>
    </Table.Tr>
  );
}
