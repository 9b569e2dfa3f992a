import { Anchor, Button, Select, Table, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { useProfiles } from "../../api/insights";
import { Empty } from "../../components/Empty";
import { Failure } from "../../components/Failure";
import { identityName } from "../../components/identities";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";

const TYPES = [
  "email",
  "customer_id",
  "mobile_number",
  "ios_advertising_id",
  "android_advertising_id",
  "push_token",
  "facebook",
  "google",
  "other",
];

/** Finds a user by an identity. */
export default function ProfilesScreen() {
  const [params, setParams] = useSearchParams();
  const asked = params.get("value")
    ? { type: params.get("type") ?? "email", value: params.get("value") ?? "" }
    : null;
  const [type, setType] = useState(asked?.type ?? "email");
  const [value, setValue] = useState(asked?.value ?? "");
  const found = useProfiles(asked);
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    if (value.trim()) setParams({ type, value: value.trim() });
  };
  return (
    <div className="page">
      <PageHead
        title="Profiles"
        says={
          <Text c="dimmed">
            Find one user by an identity: what is known, which audiences, why, and until when.
          </Text>
        }
      />
      <form className="toolbar" onSubmit={submit}>
        <Select
          label="Identity type"
          data={TYPES.map((each) => ({ value: each, label: identityName(each) }))}
          value={type}
          onChange={(chosen) => chosen && setType(chosen)}
          searchable
          allowDeselect={false}
          w={200}
        />
        <TextInput
          label="Value"
          value={value}
          onChange={(event) => setValue(event.currentTarget.value)}
          w={300}
          maw="100%"
          dir="auto"
        />
        <Button type="submit" disabled={!value.trim()}>
          Find
        </Button>
      </form>
      <Failure error={found.error} />
      {asked === null ? (
        <div className="card">
          <Empty
            title="Whom are you looking for?"
            says="Enter the whole e-mail address, customer ID or device ID of somebody, as your apps send it."
          />
        </div>
      ) : found.isPending ? (
        <Loading />
      ) : (found.data ?? []).length === 0 ? (
        <div className="card">
          <Empty
            title="Nobody has this identity"
            says="Profiles that were not heard of for longer than your account keeps them are removed."
          />
        </div>
      ) : (
        <div className="card scroll-x">
          <Table verticalSpacing="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Profile ID</Table.Th>
                <Table.Th>Identities</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.data?.map((each) => (
                <Table.Tr key={each.mpid}>
                  <Table.Td>
                    <Anchor component={Link} to={`/profiles/${each.mpid}`} className="figure">
                      {each.mpid}
                    </Anchor>
                  </Table.Td>
                  <Table.Td>
                    {each.identities.map((one) => `${identityName(one.type)}: ${one.value}`).join(", ")}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
    </div>
  );
}
