import { useEffect } from "react";

/** The heading of a screen, with what can be done there at its right; also the title of the tab. */
export function PageHead({
  title,
  says,
  children,
}: {
  title: string;
  says?: React.ReactNode;
  children?: React.ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} - Audience Manager`;
  }, [title]);
  return (
    <div className="page-head">
      <div>
        <h1 dir="auto">{title}</h1>
        {says && <div>{says}</div>}
      </div>
      {children && <div className="page-actions">{children}</div>}
    </div>
  );
}
