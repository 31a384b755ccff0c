/** Words and numbers: how the page says what it was told. */

export const DEFAULTS = { toast_seconds: 4, fallback_interval_seconds: 10 };
const NAME_CHARACTERS = 80;
const NAMES_IN_TITLE = 20;
export const SENTENCE = 400; // characters of what the server says in words

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const groupDigits = (digits) => String(digits).replace(/\B(?=(\d{3})+$)/g, "\u2009");
export const writeCount = (count) => (isNumber(count) ? groupDigits(Math.round(count)) : "—");
/** Write a number of a table with six digits, its thousands as those of a count. */
export function writeNumber(value) {
  const [whole, rest] = String(Number(value.toPrecision(6))).split(".");
  return `${/^-?\d+$/.test(whole) ? groupDigits(whole) : whole}${rest ? `.${rest}` : ""}`;
}

export const writeRate = (rate) => (!isNumber(rate) ? "—" : rate < 9.95 ? rate.toFixed(1) : writeCount(rate));

/** Write a count in three letters at most, for where there is no room: 248, 1k, 12k, 3M. */
export function writeShort(count) {
  if (!isNumber(count)) return "—";
  if (count < 1_000) return String(Math.round(count));
  const [unit, letter] = count < 999_500 ? [1_000, "k"] : [1_000_000, "M"];
  return `${Math.min(999, Math.round(count / unit))}${letter}`;
}

export const pluralize = (count, word) => `${writeCount(count)} ${word}${count === 1 ? "" : "s"}`;
export const writeAgo = (seconds) => (seconds < 0.05 ? "now" : `${writeAge(seconds)} ago`);

export function writeAge(seconds) {
  if (!isNumber(seconds)) return "—";
  if (seconds < 0.05) return "now";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return writeSpan(seconds, ["s", "min", "h"]);
}

export function writeSpan(seconds, [second, minute, hour]) {
  const write = (count, unit) => (unit.length > 3 ? pluralize(count, unit) : `${count} ${unit}`);
  if (seconds < 120 && Math.round(seconds) !== 60) return write(Math.round(seconds), second);
  if (seconds < 7_200) return write(Math.round(seconds / 60), minute);
  return write(Math.round(seconds / 3_600), hour);
}

export const readFromAddress = (key) => new URLSearchParams(location.search).get(key);

/** The time zone of the page: the address may name one, else it is the browser's. */
function chooseZone() {
  const named = readFromAddress("tz");
  try {
    if (named) return new Intl.DateTimeFormat("en-GB", { timeZone: named }) && named;
  } catch { /* there is no such zone */ }
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export const zoneName = chooseZone();
/** Write a length of time in two units at most: 6 h 12 min, 51 min, 4 s, 3 d 2 h. */
export function writeLong(seconds) {
  if (!isNumber(seconds)) return "—";
  const whole = Math.max(0, Math.floor(seconds));
  for (const [size, unit, lesser, lesserUnit] of [[86_400, "d", 3_600, "h"], [3_600, "h", 60, "min"]]) {
    if (whole < size) continue;
    const rest = Math.floor((whole % size) / lesser);
    return `${writeCount(Math.floor(whole / size))} ${unit}${rest ? ` ${rest} ${lesserUnit}` : ""}`;
  }
  return whole >= 60 ? `${Math.floor(whole / 60)} min` : `${whole} s`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zoneName });
export const day = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit", timeZone: zoneName });
export const isDate = (time) => !Number.isNaN(new Date(time ?? NaN).getTime());
export const writeTime = (time) => (isDate(time) ? clock.format(new Date(time)) : "—");

/** Write a time with its day, unless that is today. */
export function writeDay(time) {
  if (!isDate(time)) return "—";
  const date = day.format(new Date(time));
  return `${date === day.format(new Date()) ? "" : `${date} `}${writeTime(time)}`;
}

/** Write a session's id as its first and last letters, without what all ids share. */
export const shortenId = (id) => clean(String(id).replace(/^session-(.{4}).*?(.{3})-\d+$/, "$1…$2"));

/** Make text of unknown origin safe to look at: bounded, and without what hides or reorders. */
export function clean(text, most = NAME_CHARACTERS) {
  const kept = [...String(text ?? "").slice(0, 4_000).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "")];
  return kept.length > most ? `${kept.slice(0, most - 1).join("")}…` : kept.join("");
}

/** Name a node; one of invisible characters alone is not one that nobody knows. */
export function nameNode(node, unknown = "—") {
  if (node === null || node === undefined) return unknown;
  const name = clean(node);
  return /[^\s\u2800\p{Default_Ignorable_Code_Point}]/u.test(name) ? name : "(no visible name)";
}

/** Say who came or went: nodes, else the sessions' ids, shortened, else that nobody saw. */
export function describeNames({ node_ids: nodes, session_ids: ids }, count) {
  const told = (ids ?? []).map((id, at) => clean(nodes?.[at]) || shortenId(id));
  const names = told.filter(Boolean);
  const total = Math.max(count, names.length);
  if (!names.length) return { short: "names not seen", long: "names not seen", known: false };
  const list = (shown) => shown.join(", ") + (total > shown.length ? ` and ${writeCount(total - shown.length)} more` : "");
  return { short: list(total > 3 ? names.slice(0, 1) : names), long: list(names.slice(0, NAMES_IN_TITLE)), known: true };
}

export const isCreated = (event) => event.event_type === "session_created";
export const countOf = (event) => Math.abs(event.data.delta);
export const nameEnding = (reason) => (["deleted", "expired", "evicted"].includes(reason) ? reason : "destroyed");
export const isReduced = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Remember choices in the page's address; ``null`` forgets one. A step can be gone back on. */
export function setInAddress(choices, { isStep = false } = {}) {
  const url = new URL(location.href);
  for (const [key, value] of Object.entries(choices)) {
    if (value === null) url.searchParams.delete(key);
    else url.searchParams.set(key, value);
  }
  if (url.href === location.href) return;
  if (isStep) history.pushState(null, "", url);
  else history.replaceState(history.state, "", url);
}
