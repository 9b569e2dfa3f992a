import { Anchor, Button, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useErase, useMemberships, useProfile } from "../../api/insights";
import type { Schema } from "../../api/types";
import { useWorkspaces } from "../../api/workspaces";
import { Confirm } from "../../components/Confirm";
import { done } from "../../components/done";
import { Failure, ScreenFailure } from "../../components/Failure";
import { utc, words } from "../../components/format";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { Why } from "../audiences/DetailsTab";

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
          <section className="card is-padded" aria-label="Identities">
            <Text fw={600} mb="xs">
              Identities
            </Text>
            <dl className="facts">
              {profile.identities.map((each) => (
                <Fact key={each.type + each.value} name={words(each.type)} value={each.value} />
              ))}
            </dl>
          </section>
          {profile.workspaces.map((each) => (
            <InWorkspace key={each.id} name={nameOf(each.id)} known={each} />
          ))}
        </Stack>
      </div>
    </div>
  );
}

function InWorkspace({ name, known }: { name: string; known: Profile["workspaces"][number] }) {
  return (
    <section className="card is-padded" aria-label={`In ${name}`}>
      <Text fw={600} mb="xs" dir="auto">
        {name}
      </Text>
      <dl className="facts">
        <Fact name="Seen" value={`${utc(known.first_seen_at)} to ${utc(known.last_seen_at)}`} />
        {Object.entries(known.attributes).map(([attribute, value]) => (
          <Fact
            key={attribute}
            name={attribute}
            value={typeof value === "object" ? JSON.stringify(value) : String(value)}
          />
        ))}
        {Object.entries(known.consents).map(([purpose, isGiven]) => (
          <Fact key={purpose} name={`Consent ${purpose}`} value={isGiven ? "given" : "not given"} />
        ))}
        {known.is_opted_out && <Fact name="Opted out" value="nothing is forwarded" />}
      </dl>
    </section>
  );
}

function Memberships({ mpid }: { mpid: string }) {
  const found = useMemberships(mpid);
  const [open, setOpen] = useState<number | null>(null);
  const items = found.data ?? [];
  return (
    <section className="card is-padded" aria-label="Audiences">
      <Text fw={600} mb="xs">
        Audiences
      </Text>
      <Failure error={found.error} />
      {found.isPending && <Loading />}
      {found.data && items.length === 0 && (
        <Text size="sm" c="dimmed">
          In no active audience at the moment.
        </Text>
      )}
      <Table>
        <Table.Tbody>
          {items.map((each) => (
            <Table.Tr key={each.audience_id}>
              <Table.Td>
                <Anchor component={Link} to={`/audiences/${each.audience_id}`} size="sm" fw={600} dir="auto">
                  {each.name}
                </Anchor>
                <Text size="xs" c="dimmed">
                  {each.since ? `since ${utc(each.since)}` : "for longer than the history is kept"},{" "}
                  {each.until ? `until ${utc(each.until)} if nothing happens` : "with no end by time alone"}
                </Text>
                {open === each.audience_id && <Why audienceId={each.audience_id} mpid={mpid} />}
              </Table.Td>
              <Table.Td style={{ verticalAlign: "top", textAlign: "right" }}>
                <Button
                  size="compact-xs"
                  variant="subtle"
                  aria-expanded={open === each.audience_id}
                  aria-label={`Why? ${each.name}`}
                  onClick={() => setOpen(open === each.audience_id ? null : each.audience_id)}
                >
                  Why?
                </Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </section>
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
        error={<Failure error={erase.error} />}
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

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt dir="auto">{name}</dt>
      <dd dir="auto">{value}</dd>
    </>
  );
}
