import { Fragment } from "react";

export type Fact = readonly [name: string, value: React.ReactNode];

/** What is known of something, by name. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value], place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: somebody may have two identities of one type
        <Fragment key={place}>
          <dt dir="auto">{name}</dt>
          <dd className="figure" dir="auto">
            {value}
          </dd>
        </Fragment>
      ))}
    </dl>
  );
}
