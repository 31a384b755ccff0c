/** The small pictures in the tiles: the count of the last five minutes, created and ended in it. */

import { setAttribute } from "./markup.js";
import { isNumber } from "./words.js";

const WIDTH = 170;
const LINE_HEIGHT = 56;
const BARS_HEIGHT = 30;
const BAR_GAP = 0.25; // of a bucket's width
const NAMESPACE = "http://www.w3.org/2000/svg";

/** Draw the count as a step line over a soft area; a gap stays empty. */
export function drawLine(svg, { span_seconds: span, line }) {
  const values = line.map(([, value]) => value).filter(isNumber);
  svg.toggleAttribute("hidden", values.length === 0); // an SVG element has no `hidden` of its own
  if (!values.length) return;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const rise = Math.max(high - low, 4); // so that a change of one is no cliff
  const x = (seconds) => ((seconds / span) * WIDTH).toFixed(1);
  const y = (value) => (LINE_HEIGHT - 8 - ((value - low) / rise) * (LINE_HEIGHT - 14)).toFixed(1);
  let stroke = "";
  let area = "";
  let isOpen = false;
  for (const [at, [seconds, value]] of line.entries()) {
    const end = x(line[at + 1]?.[0] ?? seconds);
    if (!isNumber(value)) {
      isOpen = false;
      continue;
    }
    stroke += isOpen ? `V${y(value)}H${end}` : `M${x(seconds)},${y(value)}H${end}`;
    area += `M${x(seconds)},${y(value)}H${end}V${LINE_HEIGHT}H${x(seconds)}Z`;
    isOpen = true;
  }
  setAttribute(svg.children[0], "d", area);
  setAttribute(svg.children[1], "d", stroke);
}

/** Draw a curve of shares, 1 to 0, over age. */
export function drawCurve(svg, points) {
  const longest = points.at(-1)?.[0] || 1;
  const steps = points.map(([age, share]) => `${((age / longest) * WIDTH).toFixed(1)},${(2 + (1 - share) * (BARS_HEIGHT - 3)).toFixed(1)}`);
  svg.children[0].toggleAttribute("hidden", points.length === 0);
  setAttribute(svg.children[1], "d", steps.length ? `M${steps.join("L")}` : "");
}

/** Draw one bar for each bucket, the newest strongest; both tiles share one scale. */
export function drawBars(svg, { span_seconds: span, bucket_seconds: bucket, bars }, column) {
  const highest = Math.max(1, ...bars.flatMap(([, created, ended]) => [created, ended]));
  const x = (seconds) => Math.min(Math.max(0, seconds / span), 1) * WIDTH; // a bucket may begin earlier
  while (svg.childElementCount > bars.length) svg.lastElementChild.remove();
  while (svg.childElementCount < bars.length) svg.append(document.createElementNS(NAMESPACE, "rect"));
  for (const [at, bar] of bars.entries()) {
    const rect = svg.children[at];
    const height = bar[column] ? Math.max(2, (bar[column] / highest) * BARS_HEIGHT) : 0.8;
    setAttribute(rect, "x", x(bar[0]).toFixed(1));
    setAttribute(rect, "y", (BARS_HEIGHT - height).toFixed(1));
    setAttribute(rect, "width", ((x(bar[0] + bucket) - x(bar[0])) * (1 - BAR_GAP)).toFixed(1));
    setAttribute(rect, "height", height.toFixed(1));
    setAttribute(rect, "opacity", (0.45 + (0.55 * (at + 1)) / bars.length).toFixed(2));
  }
}
