import { Text } from "@mantine/core";
import { PageHead } from "../../components/PageHead";
import { ExportList } from "./ExportList";

/** Every file of members that was asked for. */
export default function ExportsScreen() {
  return (
    <div className="page">
      <PageHead
        title="Exports"
        says={<Text c="dimmed">Members of audiences as files. Links work for 7 days.</Text>}
      />
      <ExportList says="Open an audience and choose Download: to look at its members yourself, or to give them to a partner that no output knows." />
    </div>
  );
}
