import {
  IconArchive,
  IconArrowsShuffle,
  IconCircleCheck,
  IconDownload,
  IconHistory,
  IconInbox,
  IconPlugConnected,
  IconSettings,
  IconShare,
  IconStack2,
  IconUserSearch,
  IconUsersGroup,
} from "@tabler/icons-react";
import { NavLink } from "react-router";

interface Entry {
  to: string;
  label: string;
  icon: React.ReactNode;
}

const SIZE = 18;
const GROUPS: readonly { title: string; entries: readonly Entry[] }[] = [
  {
    title: "Audiences",
    entries: [
      { to: "/audiences/single", label: "Single workspace", icon: <IconUsersGroup size={SIZE} /> },
      { to: "/audiences/multi", label: "Multi workspace", icon: <IconArrowsShuffle size={SIZE} /> },
    ],
  },
  {
    title: "Lifetime",
    entries: [
      { to: "/lifetime/in-progress", label: "In progress", icon: <IconHistory size={SIZE} /> },
      { to: "/lifetime/ready", label: "Ready", icon: <IconCircleCheck size={SIZE} /> },
      { to: "/lifetime/archived", label: "Archived", icon: <IconArchive size={SIZE} /> },
    ],
  },
  {
    title: "Sharing",
    entries: [
      { to: "/sharing/shared", label: "Shared", icon: <IconShare size={SIZE} /> },
      { to: "/sharing/received", label: "Received", icon: <IconInbox size={SIZE} /> },
    ],
  },
  {
    title: "Data and partners",
    entries: [
      { to: "/outputs", label: "Outputs", icon: <IconPlugConnected size={SIZE} /> },
      { to: "/profiles", label: "Profiles", icon: <IconUserSearch size={SIZE} /> },
      { to: "/exports", label: "Exports", icon: <IconDownload size={SIZE} /> },
      { to: "/jobs", label: "Jobs", icon: <IconStack2 size={SIZE} /> },
    ],
  },
  { title: "Account", entries: [{ to: "/settings", label: "Settings", icon: <IconSettings size={SIZE} /> }] },
];

export function Navigation() {
  return (
    <nav className="shell-nav" aria-label="Main">
      {GROUPS.map((group) => (
        <div key={group.title}>
          <p className="nav-group">{group.title}</p>
          {group.entries.map((each) => (
            <NavLink key={each.to} to={each.to} className="nav-link">
              {each.icon}
              {each.label}
            </NavLink>
          ))}
        </div>
      ))}
    </nav>
  );
}
