import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { useAudience, useAudienceChoices } from "../api/audiences";

/** One of the account's active audiences, found by name or id. */
export function AudienceChoice({ value, onChange }: { value: number; onChange: (id: number) => void }) {
  const [text, setText] = useState("");
  const [q] = useDebouncedValue(text, 250);
  const found = useAudienceChoices({ kind: "real_time", status: "active", q, sort: "name" });
  const options = (found.data?.items ?? []).map((each) => ({
    value: String(each.id),
    label: `${each.name} (${each.id})`,
  }));
  const isListed = value === 0 || options.some((each) => each.value === String(value));
  return (
    <>
      <Select
        size="sm"
        aria-label="Audience"
        placeholder="Search audiences"
        data={isListed ? options : [{ value: String(value), label: `Audience ${value}` }, ...options]}
        value={value ? String(value) : null}
        onChange={(chosen) => onChange(chosen ? Number(chosen) : 0)}
        onSearchChange={setText}
        searchable
        filter={({ options: all }) => all}
        nothingFoundMessage="No active audience is called that"
        w={300}
        maw="100%"
      />
      {value !== 0 && <Chosen id={value} />}
    </>
  );
}

function Chosen({ id }: { id: number }) {
  const { data } = useAudience(id);
  return data ? <span className="visually-hidden">{data.name}</span> : null;
}
