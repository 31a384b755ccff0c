/** How churn is said: lengths of time, rates with their intervals, a test in a sentence. */

import { isNumber, writeCount } from "./words.js";

const LENGTHS = [[172_800, 86_400, "d"], [7_200, 3_600, "h"], [120, 60, "min"], [0, 1, "s"]];
const digits = (value) => (value >= 99.5 || value === 0 ? String(Math.round(value)) : value >= 0.95 ? value.toFixed(1) : value.toPrecision(2));

/** Split a length of time into a number and its unit, of the size of another one if it is given. */
export function splitLength(seconds, like = seconds) {
  if (!isNumber(seconds)) return ["—", ""];
  const [, size, unit] = LENGTHS.find(([from]) => like >= from) ?? LENGTHS.at(-1);
  return [digits(seconds / size), unit];
}

export const writeLength = (seconds, like) => splitLength(seconds, like).filter(Boolean).join("\u202f");
export const writeTick = (seconds) => writeLength(seconds).replace(/\.0(?=\u202f)/, ""); // on a scale: 30 s, not 30.0 s

/** Write bounds: 95 %: 20 – 25 min. */
export function writeBounds(bounds, like) {
  const [, low, high] = bounds;
  if (isNumber(low) && !isNumber(high)) return `95\u202f%: ${writeLength(low, isFarBelow(low, like) ? low : like)} – not reached`;
  const range = writeRange(bounds, like);
  return range && `95\u202f%: ${range}\u202f${splitLength(like)[1]}`;
}

/** Write bounds without their unit, where it stands beside them already; one of another size has its own. */
export function writeRange([, low, high], like) {
  if (!isNumber(low) && !isNumber(high)) return "";
  const from = isFarBelow(low, like) ? writeLength(low) : splitLength(low, like)[0];
  return `${from} – ${isNumber(high) ? splitLength(high, like)[0] : "not reached"}`;
}

const isFarBelow = (seconds, like) => isNumber(seconds) && seconds > 0 && seconds < like / 20;

export const writeRateOf = ([rate, low, high]) => (isNumber(rate) ? [sign(rate), `(${sign(low)} – ${high > 0 && high < 0.005 ? "<\u202f0.01" : sign(high)})`] : ["—", ""]);
const sign = (value) => (isNumber(value) ? `${value <= -0.005 ? "−" : ""}${digitsOf(Math.abs(value))}` : "—");
const digitsOf = (value) => (value >= 1_000 ? writeCount(value) : value >= 99.5 ? String(Math.round(value)) : value >= 9.95 ? value.toFixed(1) : value.toFixed(2));

/** Say what the log-rank test says, and how sure it is. */
export function describeTest(test, by) {
  if (!test) return "";
  const p = test.p_value < 0.0001 ? "p\u00a0<\u00a00.0001" : `p\u00a0=\u00a0${test.p_value.toPrecision(2)}`;
  const among = `${test.groups} groups`;
  if (by === "reason") return `Log-rank test over ${among}: ${p}. Reasons are known of ended sessions alone, so this compares only those.`;
  if (test.p_value < 0.01) return `The ${among} do not live equally long: such a difference by chance is rare (log-rank test, ${p}).`;
  const often = test.p_value < 0.095 ? (100 * test.p_value).toPrecision(1) : Math.min(99, Math.round(100 * test.p_value));
  if (test.p_value < 0.05) return `The ${among} seem not to live equally long: if they did, chance would make such a difference in ${often}\u202f% of cases (log-rank test, ${p}).`;
  return `No difference is shown between the ${among}: chance alone would make such a one in ${often}\u202f% of cases (log-rank test, ${p}).`;
}

const moments = new Map(); // by their zone: that of the answer, not always the browser's
export function writeMoment(time, zone) {
  if (!moments.has(zone)) moments.set(zone, new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone }));
  return moments.get(zone).format(new Date(time)).replace(",", "");
}
