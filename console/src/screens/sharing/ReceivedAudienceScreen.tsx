import { Text } from "@mantine/core";
import { useParams } from "react-router";
import { useReceived } from "../../api/sharing";
import { NotFound } from "../../app/NotFound";
import { ScreenFailure } from "../../components/Failure";
import { count } from "../../components/format";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import ConnectTab from "../audiences/ConnectTab";

/** A received audience: whom it is forwarded to. */
export default function ReceivedAudienceScreen() {
  const { receivedId = "" } = useParams();
  const found = useReceived();
  if (found.error && !found.data) return <ScreenFailure error={found.error} what="received audience" />;
  if (!found.data) return <Loading />;
  const received = found.data.items.find((each) => each.id === receivedId);
  if (!received) return <NotFound what="received audience" />;
  return (
    <div className="page">
      <PageHead
        title={received.name}
        says={
          <Text c="dimmed">
            Shared by <bdi>{received.initiator}</bdi>, {count(received.size)} members
          </Text>
        }
      />
      <ConnectTab
        audience={{
          id: received.audience_id,
          kind: "real_time",
          status: "active",
          ab_test: received.ab_test,
          workspaces: [],
          inputs: [],
        }}
      />
    </div>
  );
}
