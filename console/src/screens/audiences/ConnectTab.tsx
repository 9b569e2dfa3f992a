import type { Audience } from "../../api/types";

export default function ConnectTab({ audience }: { audience: Audience }) {
  return <p>{audience.name}</p>;
}
