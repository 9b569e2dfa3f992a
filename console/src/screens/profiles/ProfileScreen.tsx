import { Button, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { useErase, useMemberships, useProfile } from "../../api/insights";
import type { Schema } from "../../api/types";
import { useWorkspaces } from "../../api/workspaces";
import { Confirm } from "../../components/Confirm";
import { done } from "../../components/done";
import { type Fact, Facts } from "../../components/Facts";
import { Failure, ScreenFailure } from "../../components/Failure";
import { utc } from "../../components/format";
import { identityName } from "../../components/identities";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { Section } from "../../components/Section";
import { WhyRow } from "../../components/WhyRow";

type Profile = Schema<"ProfileView">;

/** One user: what is known, and where they belong. */
export default function ProfileScreen() {
  const { mpid = "" } = useParams();
  const found = useProfile(mpid);
  const workspaces = useWorkspaces();
  if (found.error && !found.data) return <ScreenFailure error={found.error} what="profile" />;
  if (!found.data) return <Loading />;
  const profile = found.data;
  const nameOf = (id: string) => workspaces.data?.find((each) => each.id === id)?.name ?? id;
  return (
    <div className="page">
      <PageHead title={`Profile ${mpid}`}>
        <Erase mpid={mpid} />
      </PageHead>
      <div className="halves">
        <Memberships mpid={mpid} />
        <Stack>
          <Section title="Identities">
            <Facts facts={profile.identities.map((each) => [identityName(each.type), each.value])} />
          </Section>
          {profile.workspaces.map((each) => (
            <InWorkspace key={each.id} name={nameOf(each.id)} known={each} />
          ))}
        </Stack>
      </div>
    </div>
  );
}

function InWorkspace({ name, known }: { name: string; known: Profile["workspaces"][number] }) {
  const shown = (value: unknown) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  const facts: Fact[] = [
    ["Seen", `${utc(known.first_seen_at)} to ${utc(known.last_seen_at)}`],
    ...Object.entries(known.attributes).map(([attribute, value]): Fact => [attribute, shown(value)]),
    ...Object.entries(known.consents).map(
      ([purpose, isGiven]): Fact => [`Consent ${purpose}`, isGiven ? "given" : "not given"],
    ),
  ];
  if (known.is_opted_out) facts.push(["Opted out", "nothing is forwarded"]);
  return (
    <Section title={`In ${name}`}>
      <Facts facts={facts} />
    </Section>
  );
}

function Memberships({ mpid }: { mpid: string }) {
  const found = useMemberships(mpid);
  return (
    <Section title="Audiences">
      <Failure error={found.error} />
      {found.isPending && <Loading />}
      {found.data?.length === 0 && (
        <Text size="sm" c="dimmed">
          In no active audience at the moment.
        </Text>
      )}
      <Table>
        <Table.Tbody>
          {found.data?.map((each) => (
            <WhyRow
              key={each.audience_id}
              to={`/audiences/${each.audience_id}`}
              name={each.name}
              says={`${each.since ? `since ${utc(each.since)}` : "for longer than the history is kept"}, ${
                each.until ? `until ${utc(each.until)} if nothing happens` : "with no end by time alone"
              }`}
              membership={{ audienceId: each.audience_id, mpid }}
            />
          ))}
        </Table.Tbody>
      </Table>
    </Section>
  );
}

/** A request of the user for privacy. */
function Erase({ mpid }: { mpid: string }) {
  const [asks, setAsks] = useState(false);
  const erase = useErase();
  const navigate = useNavigate();
  return (
    <>
      <Button variant="subtle" color="red" size="sm" onClick={() => setAsks(true)}>
        Erase
      </Button>
      <Confirm
        opened={asks}
        title="Erase this user?"
        says="Everything known of them goes from all stores and files, and every partner is told to forget them. It cannot be undone."
        button="Erase"
        isBusy={erase.isPending}
        error={erase.error}
        onClose={() => setAsks(false)}
        onConfirm={() =>
          erase.mutate(mpid, {
            onSuccess: (receipt) => {
              done(`The erasure has begun; its receipt is ${receipt.id}`);
              navigate("/profiles");
            },
          })
        }
      />
    </>
  );
}
