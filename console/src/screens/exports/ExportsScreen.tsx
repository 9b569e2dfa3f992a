import { Button, Text } from "@mantine/core";
import { useExports } from "../../api/exports";
import { Empty } from "../../components/Empty";
import { Failure } from "../../components/Failure";
import { Loading } from "../../components/Loading";
import { PageHead } from "../../components/PageHead";
import { ExportList } from "./ExportList";

/** Every file of members that was asked for. */
export default function ExportsScreen() {
  const found = useExports();
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="page">
      <PageHead
        title="Exports"
        says={<Text c="dimmed">Members of audiences as files. Links work for 7 days.</Text>}
      />
      <Failure error={found.error} />
      {found.isPending ? (
        <Loading />
      ) : items.length > 0 ? (
        <ExportList items={items} />
      ) : (
        <div className="card">
          <Empty
            title="Nothing was exported yet"
            says="Open an audience and choose Download: to look at its members yourself, or to give them to a partner that no output knows."
          />
        </div>
      )}
      {found.hasNextPage && (
        <Button variant="default" mt="md" onClick={() => void found.fetchNextPage()}>
          Show more
        </Button>
      )}
    </div>
  );
}
