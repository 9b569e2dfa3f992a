import { ActionIcon, Burger, Button, Drawer, Menu, useMantineColorScheme } from "@mantine/core";
import { IconDeviceDesktop, IconLogout, IconMoon, IconSun, IconUserCircle } from "@tabler/icons-react";
import { Suspense, useEffect, useRef, useState } from "react";
import { Link, Outlet, useLocation } from "react-router";
import { useIsLost } from "../api/connection";
import type { Session } from "../auth/session";
import { Loading } from "../components/Loading";
import { Boundary } from "./Boundary";
import { Navigation } from "./Navigation";

/** The bar, the navigation at the left (a drawer where there is little room), and the screen. */
export function Shell({ session }: { session: Session }) {
  const [isOpen, setOpen] = useState(false);
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another screen begins at its top, and the drawer has done its work.
  useEffect(() => {
    setOpen(false);
    main.current?.scrollTo(0, 0);
  }, [pathname]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="shell-bar">
        <Burger
          className="only-narrow"
          size="sm"
          opened={isOpen}
          onClick={() => setOpen(!isOpen)}
          aria-label="Navigation"
        />
        <Link className="shell-brand" to="/audiences/single">
          <img src="/icon.svg" alt="" width={26} height={26} />
          Audience Manager
        </Link>
        <div style={{ flex: 1 }} />
        <ColorSchemeMenu />
        <AccountMenu session={session} />
      </header>
      <Navigation />
      <Drawer
        className="shell-drawer"
        opened={isOpen}
        onClose={() => setOpen(false)}
        size={280}
        title="Navigation"
        closeButtonProps={{ "aria-label": "Close navigation" }}
      >
        <Navigation />
      </Drawer>
      <main className="shell-main" id="main" ref={main} tabIndex={-1}>
        <LostBanner />
        <Boundary key={pathname}>
          <Suspense fallback={<Loading />}>
            <Outlet />
          </Suspense>
        </Boundary>
      </main>
    </div>
  );
}

function LostBanner() {
  const isLost = useIsLost();
  return (
    <div role="status">
      {isLost && (
        <div className="banner">
          The connection is lost. What you see may be old; trying again on its own.
        </div>
      )}
    </div>
  );
}

function ColorSchemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const choices = [
    ["light", "Light", <IconSun key="i" size={16} />],
    ["dark", "Dark", <IconMoon key="i" size={16} />],
    ["auto", "As the system", <IconDeviceDesktop key="i" size={16} />],
  ] as const;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Colours">
          <IconSun size={19} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {choices.map(([value, label, icon]) => (
          <Menu.Item
            key={value}
            leftSection={icon}
            aria-current={colorScheme === value}
            fw={colorScheme === value ? 600 : undefined}
            onClick={() => setColorScheme(value)}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function AccountMenu({ session }: { session: Session }) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="subtle" color="gray" px="xs" aria-label={`Signed in as ${session.email}`}>
          <IconUserCircle size={19} />
          <span className="only-wide" style={{ marginLeft: 8 }}>
            {session.email}
          </span>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{session.email}</Menu.Label>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void session.signOut()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
