import "uplot/dist/uPlot.min.css";
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import type { Schema } from "../api/types";

const HEIGHT = 220;
// There are no half members.
const WHOLE = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((each) => each * 10 ** power)).flat();

/** Size over time; the same figures stand in a table for those who cannot see it. */
export default function SizeChart({ points }: { points: Schema<"SizeSeries">["points"] }) {
  const place = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme("light");
  useEffect(() => {
    const box = place.current;
    if (!box || points.length === 0) return;
    const color = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name);
    // The colours are those of the scheme.
    const axis = {
      stroke: color("--mantine-color-dimmed"),
      grid: { stroke: color("--line") },
      ticks: { show: false },
    };
    const chart = new uPlot(
      {
        width: box.clientWidth,
        height: HEIGHT,
        // Instants of the product are UTC.
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        axes: [
          axis,
          {
            ...axis,
            size: 64,
            incrs: WHOLE,
            values: (_, ticks) => ticks.map((each) => each.toLocaleString("en")),
          },
        ],
        scales: { y: { range: (_, __, high) => [0, Math.max(1, high * 1.1)] } },
        series: [
          { label: "UTC" },
          {
            label: "Size",
            stroke: color("--mantine-color-brand-text"),
            fill: scheme === "dark" ? "rgb(65 179 157 / 14%)" : "rgb(11 110 99 / 10%)",
            width: 2,
            value: (_, each) => each?.toLocaleString("en") ?? "--",
          },
        ],
        legend: { live: true },
      },
      [points.map((each) => Date.parse(each.at) / 1000), points.map((each) => each.size)],
      box,
    );
    const watch = new ResizeObserver(() => chart.setSize({ width: box.clientWidth, height: HEIGHT }));
    watch.observe(box);
    return () => {
      watch.disconnect();
      chart.destroy();
    };
  }, [points, scheme]);
  return <div ref={place} aria-hidden data-testid="size-chart" style={{ minHeight: HEIGHT }} />;
}
