import type { Audience } from "../../api/types";

export default function DownloadTab({ audience }: { audience: Audience }) {
  return <p>{audience.name}</p>;
}
