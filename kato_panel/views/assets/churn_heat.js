/** Two tables that are pictures as well: the more, the stronger the cell. */

import { clean, isNumber, writeCount } from "./words.js";
import { makeRow } from "./churn_markup.js";
import { writeTick, writeMoment } from "./churn_words.js";

const STRONGEST = 52; // percent of the accent: text on it stays readable, light and dark

const shade = (cell, share) => cell.style.setProperty("--heat", `${(4 + share * (STRONGEST - 4)).toFixed(1)}%`);

/** Cohorts by birth and age, in percent, newest first; blank where it is not observable yet. */
export function paintCohorts(table, rows, ages, zone) {
  const head = makeRow("th", [{ text: `born, ${clean(zone)}` }, { text: "sessions" }, ...ages.map((age) => ({ text: writeTick(age) }))]);
  const lines = rows.filter(({ members }) => members > 0).reverse().map((row) => {
    const shares = ages.map((age) => row[`survival_at_${age}_seconds`]);
    const line = makeRow("td", [{ text: writeMoment(row.time, zone), isHead: true }, { text: writeCount(row.members) },
      ...shares.map((share) => ({ text: isNumber(share) ? String(Math.round(100 * share)) : "", title: isNumber(share) ? "" : "not observable yet" }))]);
    for (const [at, share] of shares.entries()) {
      if (isNumber(share)) shade(line.children[at + 2], share);
      else line.children[at + 2].className = "blank";
    }
    return line;
  });
  fill(table, head, lines, "Cohorts: percent of those born together that reach an age");
}

/** What is usual at an hour of a weekday, per hour; blank where nobody looked. */
export function paintHours(table, rows, flow, zone) {
  const most = Math.max(1e-9, ...rows.map((row) => row[`${flow}_per_hour`] ?? 0));
  const head = makeRow("th", [{ text: clean(zone) }, ...Array.from({ length: 24 }, (_, hour) => ({ text: String(hour).padStart(2, "0") }))]);
  const lines = [];
  for (let day = 0; day < 7; day += 1) {
    const week = rows.slice(24 * day, 24 * day + 24);
    const line = makeRow("td", [{ text: String(week[0]?.weekday ?? ""), isHead: true }, ...week.map((row) => {
      const rate = row[`${flow}_per_hour`];
      const title = isNumber(rate) ? `${writeCount(row[flow])} in ${row.observed_hours.toFixed(1)} h observed` : "nobody looked";
      return { text: isNumber(rate) ? (rate >= 9.95 ? writeCount(rate) : rate.toFixed(1)) : "", title };
    })]);
    for (const [at, row] of week.entries()) {
      const rate = row[`${flow}_per_hour`];
      if (isNumber(rate)) shade(line.children[at + 1], rate / most);
      else line.children[at + 1].className = "blank";
    }
    lines.push(line);
  }
  fill(table, head, lines, `Sessions ${flow === "arrivals" ? "created" : "ended"} per hour, by weekday and hour`);
}

export function fill(table, head, lines, title) {
  const caption = document.createElement("caption");
  caption.className = "quiet";
  caption.textContent = title;
  const parts = [document.createElement("thead"), document.createElement("tbody")];
  parts[0].append(head);
  parts[1].append(...lines);
  table.replaceChildren(caption, ...parts);
}
