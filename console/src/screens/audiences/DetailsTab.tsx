import type { Audience } from "../../api/types";

export default function DetailsTab({ audience }: { audience: Audience }) {
  return <p>{audience.name}</p>;
}
