import type { Audience } from "../../api/types";

export default function AbTestTab({ audience }: { audience: Audience }) {
  return <p>{audience.name}</p>;
}
