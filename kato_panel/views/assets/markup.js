/** The page's markup, and how it is changed: nothing is set that already is so. */

import { isReduced } from "./words.js";
import { icon } from "./pictogram.js";
import { BELL } from "./alert_markup.js";

export const THEMES = {
  light: ["light", icon("M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M19 5l-1.4 1.4M6.4 17.6 5 19")],
  dark: ["dark", icon("M20 14.5A8 8 0 1 1 9.5 4a6.5 6.5 0 0 0 10.5 10.5z")],
  system: ["as the system", icon("M4 5h16v11H4zM9 20h6M12 16v4")],
};

const MARKS = `<span class="pill demo" data-ref="demo" hidden>demo<span class="wide"> data</span></span>
  <span class="pill" data-ref="pill"><span class="dot"></span><span class="full" data-ref="pillFull"></span><span class="brief" data-ref="pillBrief"></span></span>`;
const buildFiles = (kind) => `<li><span>${kind}</span>${["csv", "json"].map((format) => `<a href="#" download data-kind="${kind}" data-format="${format}" aria-label="${kind} as ${format.toUpperCase()}">${format.toUpperCase()}</a>`).join("")}</li>`;
const HEADER = `<header><span class="logo">${icon("M2 12h4l3-8 5 16 3-8h5")}</span><h1>KATO sessions</h1>
  ${MARKS}${BELL}<button class="icon" type="button" data-ref="theme"></button>
  <form method="post" action="logout" data-ref="logout" hidden><button class="icon" type="submit" title="Log out" aria-label="Log out">${icon("M14 4h5v16h-5M4 12h11M11 8l4 4-4 4")}</button></form></header>
  <section class="playing" aria-label="Replay" data-ref="replay" hidden></section>
  <div class="views"><nav aria-label="Views" data-ref="tabs"></nav>
    <button class="icon" type="button" data-ref="export" popovertarget="exports" title="Export" aria-label="Export" hidden>${icon("M12 4v11M7 11l5 5 5-5M5 20h14")}</button></div>
  <div class="exports" id="exports" popover data-ref="exports" role="dialog" aria-labelledby="h-exports"><h2 id="h-exports">Export</h2>
    <p data-ref="exportRange"></p><p data-ref="noExport" hidden>No history is kept here, so there is nothing to export: KATO_PANEL_HISTORY_URL is off.</p>
    <ul role="list" data-ref="exportFiles">${["sessions", "events", "counts", "alerts", "containers"].map(buildFiles).join("")}</ul></div>`;
const buildRateCard = (name, title) => `<section class="card rate" data-part="rates" aria-labelledby="h-${name}">
  <div class="hd"><h2 id="h-${name}">${title}</h2></div>
  <div class="row"><span class="mid" data-figure="${name}" data-ref="${name}">—</span><span class="unit">/ min</span></div>
  <svg class="bars ${name === "created" ? "made" : "gone"}" viewBox="0 0 170 30" preserveAspectRatio="none" data-ref="${name}Bars" aria-hidden="true"></svg>
  <p class="sub" data-ref="${name}Window"></p></section>`;
const buildAll = (isPage, hasHeader) => `${hasHeader ? HEADER : `<div class="marks">${MARKS}</div>`}
<${isPage ? "main" : 'div role="group" aria-label="KATO sessions"'}><div class="frame" data-ref="frame"><div class="grid">
  <section class="card active" data-part="count" aria-labelledby="h-active">
    <div class="hd"><h2 id="h-active">Active sessions</h2><span class="key" data-ref="age"></span></div>
    <div class="row"><span class="big" data-figure="active" data-ref="active">—</span>
      <span class="tags"><span class="tag warn" data-ref="stale" hidden></span><span class="tag warn" data-ref="suspect" hidden></span></span>
      <svg class="spark" viewBox="0 0 170 56" preserveAspectRatio="none" data-ref="spark" aria-hidden="true" hidden><path class="area"/><path class="line"/></svg></div>
    <p class="sub"><span data-ref="change" hidden><b data-ref="changeBy"></b><span data-ref="changeIn"></span></span><span data-ref="note"></span></p>
  </section>
  ${buildRateCard("created", "Created")}${buildRateCard("ended", "Ended")}
  <section class="card rate lifetime" data-part="lifetime" data-ref="lifetimeCard" aria-labelledby="h-lifetime">
    <div class="hd"><h2 id="h-lifetime">Median lifetime</h2></div>
    <div class="row"><span class="mid" data-figure="lifetime" data-ref="lifetime">—</span><span class="unit" data-ref="lifetimeUnit"></span></div>
    <svg class="curve" viewBox="0 0 170 30" preserveAspectRatio="none" data-ref="lifetimeCurve" aria-hidden="true"><path class="half" d="M0,16H170"/><path class="line"/></svg>
    <p class="sub" data-ref="lifetimeWhy"></p></section>
  <section class="card sources" data-part="sources" aria-labelledby="h-sources">
    <div class="hd"><h2 id="h-sources">Sources</h2><span class="key" data-ref="sourcesAt"></span></div>
    <ul role="list" data-ref="sources"></ul><p class="sub remarks" data-ref="remarks"></p></section>
  <section class="card over" data-part="chart" aria-labelledby="h-over">
    <div class="hd"><h2 id="h-over">Sessions over time</h2><span class="sp"></span>
      <span class="swatch accent">active</span><span class="swatch made">created</span><span class="swatch gone">ended</span>
      <span class="chips" role="group" aria-label="How far back the chart looks" data-ref="ranges">
        <button type="button" data-range="5m">5 m</button><button type="button" data-range="1h">1 h</button><button type="button" data-range="24h">24 h</button><button type="button" data-range="7d">7 d</button></span></div>
    <div class="chart"><div class="plot" data-ref="chart"></div><div class="empty" data-ref="noChart">${icon("M3 18l5-6 4 3 8-9")}<p data-ref="noChartWhy"></p></div></div></section>
  <section class="card events" data-part="events" aria-labelledby="h-events" data-ref="events" hidden>
    <div class="hd"><h2 id="h-events">Events</h2><span class="key" data-ref="zone" title="Time zone of this page"></span>
      <span class="chips" role="group" aria-label="Which events are shown" data-ref="chips">
        <button type="button" data-show="all" aria-pressed="true">All</button><button type="button" data-show="made" aria-pressed="false">Created</button><button type="button" data-show="gone" aria-pressed="false">Ended</button></span>
      <button class="icon" type="button" data-ref="pause" aria-pressed="false" aria-label="Pause the event feed" title="Pause the event feed"></button></div>
    <div class="scroll"><ul role="list" tabindex="0" aria-labelledby="h-events" data-ref="feed"></ul>
      <div class="empty" data-ref="nothing">${icon("M2 12h6l2-4 4 8 2-4h6")}<p data-ref="empty"></p></div><button class="fresh" type="button" data-ref="fresh" hidden></button></div></section>
  <section class="card upstream" data-part="upstream" data-ref="upstreamCard" aria-labelledby="h-upstream">
    <div class="hd"><h2 id="h-upstream">KATO</h2><span class="key" data-ref="upstreamState"></span></div>
    <dl data-ref="figures"></dl><p class="sub" data-ref="upstreamNote" hidden></p></section>
  <section class="card rules" data-part="rules" aria-labelledby="h-rules" data-ref="rules"></section>
  <section class="card alerts" data-part="alerts" aria-labelledby="h-alerts" data-ref="alerts"></section>
</div></div><div class="body" data-ref="body" hidden></div></${isPage ? "main" : "div"}>
<p class="hint" data-ref="hint" hidden>This is the page alone: <code>kato-panel serve</code> adds the HTTP API, and with it the count while the page is cut off.</p>
<p class="quiet" role="status" data-ref="said"></p>
${hasHeader ? `<dialog class="drawer alerts" data-ref="drawer" aria-labelledby="h-drawer"></dialog>` : ""}
<div class="stack" data-part="toasts"><div class="alarms" role="status" aria-live="assertive" data-ref="alarms"></div>
  <div class="toasts" role="status" aria-live="polite" data-ref="toasts"></div></div>`;

/**
 * Build the cards that are wanted, on a page of its own with or without its header, and references to all of them: what is not wanted is painted
 * too, and shown nowhere.
 */
export function build(parts, isPage) {
  const hasHeader = parts.includes("header");
  const root = make("div", hasHeader ? "kato page" : isPage ? "kato page widget" : "kato", buildAll(isPage, hasHeader));
  const refs = findRefs(root);
  for (const card of root.querySelectorAll("[data-part]")) if (!parts.includes(card.dataset.part)) card.remove();
  root.classList.toggle("single", root.querySelectorAll("section").length === 1);
  return [root, refs];
}

export const ROW = `<time></time><span class="ic" aria-hidden="true"></span>
  <span class="what"><span class="who"><b></b><span class="dotted" aria-hidden="true"> · </span><bdi></bdi></span><span class="gap"></span></span><span class="tot"></span>`;
export const TOAST = `<span class="ic" aria-hidden="true"></span><span><b></b><small></small></span>
  <button class="icon" type="button">${icon("M6 6l12 12M18 6 6 18")}</button>`;
export const PAUSE_ICON = icon("M8 6v12M9 6v12M15 6v12M16 6v12");
export const PLAY_ICON = icon("M8 5l11 7-11 7z");

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export const setTitle = (element, text) => setAttribute(element, "title", text);

export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

export function make(tag, className, content = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.innerHTML = content; // only ever the constants above
  return element;
}

export function findRefs(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-ref]")].map((element) => [element.dataset.ref, element]));
}

/** Put children into this order, each moved only if it has to; what has the keyboard keeps it. */
export function arrange(parent, elements) {
  const focused = parent.getRootNode().activeElement;
  let next = parent.firstElementChild;
  for (const element of elements) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  if (parent.contains(focused) && focused !== parent.getRootNode().activeElement) focused.focus({ preventScroll: true });
}

export function slideIn(element, from) {
  if (!isReduced() && !document.hidden) element.animate?.([{ opacity: 0, transform: from }, {}], { duration: 220, easing: "ease-out" });
}

/**
 * The browser does so too, but Chromium passes over some: a second one soon after the first, or one
 * of which nothing in the dialog hears, for what had the keyboard is gone.
 */
export function closeByEscape(dialog) {
  const kept = new WeakRef(dialog);
  window.addEventListener("keydown", function hear(event) {
    const one = kept.deref();
    if (!one) return window.removeEventListener("keydown", hear);
    if (event.key !== "Escape" || event.defaultPrevented || !one.open) return;
    const open = [...one.getRootNode().querySelectorAll("dialog[open]")];
    if (one !== (open.find((other) => event.composedPath().includes(other)) ?? open.at(-1))) return;
    event.preventDefault();
    one.close();
  });
}
