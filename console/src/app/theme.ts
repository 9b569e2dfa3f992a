import { createTheme, Drawer, type MantineColorsTuple, Modal } from "@mantine/core";

// Every shade that carries white text or stands as text keeps 4.5:1; the variables themselves are in theme.css.
const brand: MantineColorsTuple = [
  "#e6f6f3",
  "#cdebe5",
  "#9ed9cd",
  "#6bc5b3",
  "#41b39d",
  "#219d86",
  "#12806d",
  "#0b6e63",
  "#085a52",
  "#06463f",
];

export const theme = createTheme({
  primaryColor: "brand",
  primaryShade: { light: 7, dark: 7 },
  colors: { brand },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // Locking scroll would add a style element, which the policy forbids.
    Modal: Modal.extend({
      defaultProps: { lockScroll: false, centered: true, closeButtonProps: { "aria-label": "Close" } },
    }),
    Drawer: Drawer.extend({ defaultProps: { lockScroll: false } }),
  },
});
