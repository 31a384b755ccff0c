/** The markup of churn: cards of one rhythm, each with its table and its file. */

import { make } from "./markup.js";
import { icon } from "./pictogram.js";

const TABLE_ICON = icon("M4 5h16v14H4zM4 10h16M4 15h16M10 5v14");
const FILE_ICON = icon("M12 4v11M7 11l5 5 5-5M5 20h14");
const chips = (name, label, choices) => `<span class="chips" role="group" aria-label="${label}" data-choice="${name}">${
  choices.map(([value, title]) => `<button type="button" data-value="${value}" aria-pressed="false">${title}</button>`).join("")}</span>`;
const tools = (name, title) => `<span class="tools">
  <button type="button" class="icon" data-table="${name}" aria-pressed="false" title="Show as table" aria-label="${title}: show as table">${TABLE_ICON}</button>
  <button type="button" class="icon" data-file="${name}" title="Download as CSV" aria-label="${title}: download as CSV">${FILE_ICON}</button></span>`;
const card = (name, title, body, marks = "", className = "") => `<section class="card ${name} ${className}" data-part="${name}" aria-labelledby="h-${name}">
  <div class="hd"><h2 id="h-${name}">${title}</h2><span class="sp"></span>${marks}${tools(name, title)}</div>
  <div class="shown" data-shown="${name}">${body}</div>
  <p class="why" data-why="${name}" hidden></p>
  <div class="scroll-x rows" data-rows="${name}" tabindex="0" role="region" aria-label="${title} as a table" hidden></div></section>`;
const plot = (name, title) => `<div class="plotted" data-plot="${name}" role="group" aria-label="${title}, as a chart; the table beside it says the same"></div>`;

const CHURN = `
<section class="card controls" data-part="controls" aria-labelledby="h-churn">
  <div class="hd bar"><h2 id="h-churn">Churn</h2><span class="key range" data-ref="range"></span>
    <span class="renew"><span class="key age" data-ref="age"></span>
      <button class="icon" type="button" data-ref="refresh" title="Refresh" aria-label="Refresh">${icon("M20 11a8 8 0 1 0-2.3 5.7M20 4v7h-7")}</button></span>
    <div class="choices">${chips("since", "Range", [["1h", "1 h"], ["24h", "24 h"], ["7d", "7 d"], ["all", "All"]])}
      <span class="field"><span class="key" aria-hidden="true">Compare by</span>${chips("by", "Compare by", [["all", "None"], ["node", "Node"], ["day", "Day"], ["reason", "Reason"], ["ttl", "Time to live"]])}</span>
      <label class="field"><span class="quiet">Node</span><select data-ref="node"><option value="">All nodes</option></select></label></div></div>
  <p class="failure" data-ref="failure" role="alert" hidden></p>
  <ul class="notes" role="list" aria-label="What has to be known" data-ref="notes" hidden></ul></section>
<section class="card figure median" data-part="figures" aria-labelledby="h-median">
  <div class="hd"><h2 id="h-median">Median lifetime</h2></div>
  <div class="row"><span class="big" data-figure="median" data-ref="median">—</span><span class="unit" data-ref="medianUnit"></span></div>
  <p class="sub" data-ref="medianBand"></p></section>
<section class="card figure naive" data-part="figures" aria-labelledby="h-naive">
  <div class="hd"><h2 id="h-naive">Mean of closed sessions</h2><span class="tag warn" data-ref="biased" hidden>biased</span></div>
  <div class="row"><span class="mid old" data-figure="naive" data-ref="naive">—</span><span class="unit" data-ref="naiveUnit"></span></div>
  <p class="sub" data-ref="naiveWhy"></p></section>
<section class="card figure flow" data-part="figures" aria-labelledby="h-flow">
  <div class="hd"><h2 id="h-flow">Arrivals and departures</h2><span class="key" data-ref="flowBound"></span></div>
  <dl><dt><span class="ic made" aria-hidden="true">+</span> created</dt><dd data-ref="arrivals">—</dd>
    <dt><span class="ic gone" aria-hidden="true">−</span> ended</dt><dd data-ref="departures">—</dd>
    <dt><span class="ic mixed" aria-hidden="true">=</span> net</dt><dd data-ref="net">—</dd></dl>
  <p class="sub">per minute, 95 % in brackets</p></section>
${card("survival", "Sessions that reach an age", plot("survival", "Survival"))}
${card("groups", "Groups", `<div class="scroll-x" tabindex="0" role="region" aria-label="Groups"><table data-ref="groups"></table></div><p class="verdict" data-ref="verdict"></p>`)}
${card("rates", "Arrivals and departures over time", plot("rates", "Arrivals and departures"), `<span class="swatch made">created</span><span class="swatch gone">ended</span><span class="swatch accent">net</span>`)}
${card("reasons", "Why sessions ended", `<ul class="reasons-list" role="list" data-ref="reasons"></ul>`)}
${card("lifetimes", "Lifetimes of those that ended", plot("lifetimes", "Lifetimes"))}
${card("cohorts", "Cohorts: the share that reaches an age", `<p class="key units">Percent of those born together; hatched where an age cannot be observed yet</p>
  <div class="scroll-x heat" tabindex="0" role="region" aria-label="Cohorts"><table data-ref="cohorts"></table></div>`)}
${card("hours", "The week by hour", `<p class="key units" data-ref="flowUnit"></p>
  <div class="scroll-x heat" tabindex="0" role="region" aria-label="The week by hour"><table data-ref="hours"></table></div>`,
  chips("flow", "What is counted", [["arrivals", "Created"], ["departures", "Ended"]]))}
<p class="quiet" role="status" data-ref="said"></p>`;

/** Build the cards that are wanted; what is not wanted is painted too, and shown nowhere. */
export function buildChurn(parts) {
  const root = make("div", "kato churn", CHURN);
  const named = (name) => new Map([...root.querySelectorAll(`[data-${name}]`)].map((element) => [element.dataset[name], element]));
  const places = { shown: named("shown"), why: named("why"), rows: named("rows"), plot: named("plot"), table: named("table"), file: named("file"), choice: named("choice") };
  const refs = Object.fromEntries(named("ref"));
  for (const one of root.querySelectorAll("[data-part]")) if (!parts.includes(one.dataset.part)) one.remove();
  root.classList.toggle("single", parts.length < 3);
  return { root, refs, places };
}

/** A row of a table: texts and numbers, never markup. */
export function makeRow(tag, cells) {
  const row = document.createElement("tr");
  for (const [at, cell] of cells.entries()) {
    const element = document.createElement(tag === "th" || cell.isHead ? "th" : "td");
    if (element.tagName === "TH") element.scope = tag === "th" ? "col" : "row";
    element.textContent = cell.text;
    if (cell.isNumber ?? at > 0) element.classList.add("num");
    if (cell.title) element.title = cell.title;
    row.append(element);
  }
  return row;
}
