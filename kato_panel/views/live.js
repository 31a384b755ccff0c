/**
 * The live page of KATO's sessions: one Panel ESM component, plain DOM, no imports.
 *
 * Fed by one property, `model.payload`: JSON text, replaced every few seconds and at each event.
 * `model.key` names the visit: what a visit has built and seen outlives a new rendering of it.
 * `model.page` tells whether this is the whole page or part of one, such as a notebook.
 */

const TICK_MS = 1_000;
const SILENCE_MS = 10_000; // without a payload for so long, the page's own link counts as lost
const WAKE_MS = 12_000; // a payload older than this, seen on waking up, is worth a reload
const REQUEST_MS = 5_000;
const RECONNECT_MS = 30_000; // the chance Bokeh's own reconnect gets before a reload
const RELOAD_GAP_MS = 60_000;
const RELOAD_JITTER_MS = [500, 2_000]; // so that many pages don't come back at one moment
const DEFAULTS = { toast_seconds: 4, fallback_interval_seconds: 10 };
const FEED_ROWS = 200;
const TOASTS = 3;
const NAME_CHARACTERS = 80;
const NAMES_IN_TITLE = 20;
const COUNT_URL = "api/v1/sessions/count";
const STATIC_URL = "static/js/bokeh.min.js";
const THEME_KEY = "kato-panel-theme";
const RELOAD_KEY = "kato-panel-reloaded-at";

const icon = (path) => `<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8"
  stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="${path}"/></svg>`;
const THEMES = {
  light: ["light", icon("M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M19 5l-1.4 1.4M6.4 17.6 5 19")],
  dark: ["dark", icon("M20 14.5A8 8 0 1 1 9.5 4a6.5 6.5 0 0 0 10.5 10.5z")],
  system: ["as the system", icon("M4 5h16v11H4zM9 20h6M12 16v4")],
};

const MARKS = `<span class="pill demo" data-ref="demo" hidden>demo<span class="wide"> data</span></span>
  <span class="pill" data-ref="pill"><span class="dot"></span><span class="full" data-ref="pillFull"></span><span class="brief" data-ref="pillBrief"></span></span>`;
const HEADER = `<header><span class="logo">${icon("M2 12h4l3-8 5 16 3-8h5")}</span><h1>KATO sessions</h1>
  ${MARKS}<button class="icon" type="button" data-ref="theme"></button></header>`;
const buildRateCard = (name, title) => `<section class="card rate" aria-labelledby="h-${name}">
  <div class="hd"><h2 id="h-${name}">${title}</h2></div>
  <div class="row"><span class="mid" data-figure="${name}" data-ref="${name}">—</span><span class="unit">/ min</span></div>
  <p class="sub" data-ref="${name}Window"></p></section>`;
const buildPage = (isPage) => `${isPage ? HEADER : ""}
<${isPage ? "main" : 'div role="group" aria-label="KATO sessions"'} class="frame"><div class="grid">
  <section class="card active" aria-labelledby="h-active">
    <div class="hd"><h2 id="h-active">Active sessions</h2>${isPage ? "" : MARKS}<span class="key" data-ref="age"></span></div>
    <div class="row"><span class="big" data-figure="active" data-ref="active">—</span>
      <span class="tags"><span class="tag warn" data-ref="stale" hidden></span><span class="tag warn" data-ref="suspect" hidden></span></span></div>
    <p class="sub"><span data-ref="change" hidden><b data-ref="changeBy"></b><span data-ref="changeIn"></span></span><span data-ref="note"></span></p>
  </section>
  ${buildRateCard("created", "Created")}${buildRateCard("ended", "Ended")}
  <section class="card sources" aria-labelledby="h-sources">
    <div class="hd"><h2 id="h-sources">Sources</h2><span class="key" data-ref="sourcesAt"></span></div>
    <ul role="list" data-ref="sources"></ul></section>
  <section class="card events" aria-labelledby="h-events" data-ref="events" hidden>
    <div class="hd"><h2 id="h-events">Events</h2><span class="key" data-ref="zone" title="Time zone of this page"></span>
      <button class="icon" type="button" data-ref="pause" aria-pressed="false" aria-label="Pause the event feed" title="Pause the event feed"></button></div>
    <div class="scroll"><ul role="list" tabindex="0" aria-labelledby="h-events" data-ref="feed"></ul>
      <div class="empty" data-ref="nothing">${icon("M2 12h6l2-4 4 8 2-4h6")}<p data-ref="empty"></p></div><button class="fresh" type="button" data-ref="fresh" hidden></button></div></section>
</div></${isPage ? "main" : "div"}>
<p class="quiet" role="status" data-ref="said"></p>
<div class="toasts" role="status" aria-live="polite" data-ref="toasts"></div>`;
const ROW = `<time></time><span class="ic" aria-hidden="true"></span>
  <span class="what"><span class="who"><b></b><span class="dotted" aria-hidden="true"> · </span><bdi></bdi></span><span class="gap"></span></span><span class="tot"></span>`;
const TOAST = `<span class="ic" aria-hidden="true"></span><span><b></b><small></small></span>
  <button class="icon" type="button">${icon("M6 6l12 12M18 6 6 18")}</button>`;
const PAUSE_ICON = icon("M8 6v12M9 6v12M15 6v12M16 6v12");
const PLAY_ICON = icon("M8 5l11 7-11 7z");

// ---- Words and numbers ----

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const groupDigits = (digits) => String(digits).replace(/\B(?=(\d{3})+$)/g, "\u2009");
const writeCount = (count) => (isNumber(count) ? groupDigits(Math.round(count)) : "—");
const writeRate = (rate) => (!isNumber(rate) ? "—" : rate < 9.95 ? rate.toFixed(1) : writeCount(rate));
const pluralize = (count, word) => `${writeCount(count)} ${word}${count === 1 ? "" : "s"}`;
const writeAgo = (seconds) => (seconds < 0.05 ? "now" : `${writeAge(seconds)} ago`);

function writeAge(seconds) {
  if (!isNumber(seconds)) return "—";
  if (seconds < 0.05) return "now";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return writeSpan(seconds, ["s", "min", "h"]);
}

function writeSpan(seconds, [second, minute, hour]) {
  const write = (count, unit) => (unit.length > 3 ? pluralize(count, unit) : `${count} ${unit}`);
  if (seconds < 120 && Math.round(seconds) !== 60) return write(Math.round(seconds), second);
  if (seconds < 7_200) return write(Math.round(seconds / 60), minute);
  return write(Math.round(seconds / 3_600), hour);
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit" });
const zoneName = new Intl.DateTimeFormat().resolvedOptions().timeZone;
const isDate = (time) => !Number.isNaN(new Date(time ?? NaN).getTime());
const writeTime = (time) => (isDate(time) ? clock.format(new Date(time)) : "—");

/** Make text of unknown origin safe to look at: bounded, and without what hides or reorders. */
function clean(text) {
  const kept = [...String(text ?? "").slice(0, 4_000).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "")];
  return kept.length > NAME_CHARACTERS ? `${kept.slice(0, NAME_CHARACTERS - 1).join("")}…` : kept.join("");
}

function describeNodes(nodeIds, count) {
  const names = (nodeIds ?? []).filter((name) => name !== null).map(clean).filter(Boolean);
  const total = Math.max(count, names.length);
  if (!names.length) return { short: "names not seen", long: "names not seen", known: false };
  const list = (shown) => shown.join(", ") + (total > shown.length ? ` and ${writeCount(total - shown.length)} more` : "");
  return { short: list(total > 3 ? names.slice(0, 1) : names), long: list(names.slice(0, NAMES_IN_TITLE)), known: true };
}

const isCreated = (event) => event.event_type === "session_created";
const countOf = (event) => Math.abs(event.data.delta);
const nameEnding = (reason) => (["deleted", "expired"].includes(reason) ? reason : "destroyed");
const isReduced = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// ---- DOM: set only what differs ----

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

function make(tag, className, content = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.innerHTML = content; // only ever the constants above
  return element;
}

function findRefs(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-ref]")].map((element) => [element.dataset.ref, element]));
}

function slideIn(element, from) {
  if (!isReduced() && !document.hidden) element.animate?.([{ opacity: 0, transform: from }, {}], { duration: 220, easing: "ease-out" });
}

/** The feed: newest on top, and what is being read stays where it is. */
class Feed {
  constructor(refs) {
    this.refs = refs;
    this.list = refs.feed;
    this.entries = []; // oldest first, at most FEED_ROWS: {seq, epoch, row, isHeld}
    this.bySeq = new Map(); // of the epoch that is current
    this.epoch = null;
    this.newestSeq = -1;
    this.skipped = 0;
    this.unread = 0;
    this.isPaused = false;
    refs.pause.innerHTML = PAUSE_ICON;
    refs.zone.textContent = zoneName;
    refs.pause.addEventListener("click", () => this.togglePause());
    refs.fresh.addEventListener("click", () => this.bringUp());
    this.list.addEventListener("scroll", () => this.noteScroll(), { passive: true });
  }

  /** Merge a payload's events by number; return those not seen before. */
  take({ epoch, events, skipped }) {
    if (epoch !== this.epoch) {
      this.bySeq.clear(); // a new server counts from the start again; rows that stand are still true
      Object.assign(this, { epoch, newestSeq: -1, skipped: 0 });
    }
    if (skipped > this.skipped) this.insert({ seq: this.newestSeq, row: makeNote(`${pluralize(skipped - this.skipped, "event")} not shown`) });
    this.skipped = skipped ?? 0;
    const fresh = [];
    for (const event of events) {
      const known = this.bySeq.get(event.seq);
      if (known) fillRow(known.row, event);
      else if (event.seq > this.newestSeq || event.seq > this.entries[0]?.seq) {
        fresh.push(event);
        const entry = { seq: event.seq, row: make("li", "", ROW) };
        fillRow(entry.row, event);
        this.bySeq.set(event.seq, entry);
        this.insert(entry);
        this.newestSeq = Math.max(this.newestSeq, event.seq);
      }
    }
    return fresh;
  }

  insert(entry) {
    Object.assign(entry, { epoch: this.epoch, isHeld: this.isPaused });
    let at = this.entries.length;
    while (at > 0 && this.entries[at - 1].epoch === this.epoch && this.entries[at - 1].seq > entry.seq) at -= 1;
    this.entries.splice(at, 0, entry);
    const isReading = this.list.scrollTop > 8;
    if (!entry.isHeld) this.show(entry);
    if (entry.isHeld || isReading) this.setUnread(this.unread + 1);
    while (this.entries.length > FEED_ROWS) {
      const oldest = this.entries.shift();
      oldest.row.remove();
      if (this.bySeq.get(oldest.seq) === oldest) this.bySeq.delete(oldest.seq);
    }
  }

  show(entry) {
    entry.isHeld = false;
    const older = this.entries.slice(0, this.entries.indexOf(entry)).findLast((other) => !other.isHeld);
    const top = this.list.scrollTop;
    this.list.insertBefore(entry.row, older?.row ?? null);
    if (top > 8) this.list.scrollTop = top + entry.row.offsetHeight;
    else slideIn(entry.row, "translateY(-8px)");
  }

  bringUp() {
    for (const entry of this.entries) if (entry.isHeld) this.show(entry);
    this.setUnread(0);
    this.list.scrollTo({ top: 0, behavior: isReduced() ? "auto" : "smooth" });
    this.list.focus({ preventScroll: true }); // the button that had it is gone
  }

  togglePause() {
    this.isPaused = !this.isPaused;
    const { pause } = this.refs;
    pause.innerHTML = this.isPaused ? PLAY_ICON : PAUSE_ICON;
    pause.title = this.isPaused ? "Let the event feed go on" : "Pause the event feed";
    pause.setAttribute("aria-pressed", String(this.isPaused));
    if (this.isPaused) return;
    for (const entry of this.entries) if (entry.isHeld) this.show(entry);
    this.noteScroll();
  }

  noteScroll() {
    if (this.unread && this.list.scrollTop <= 8 && !this.entries.some((entry) => entry.isHeld)) this.setUnread(0);
  }

  setUnread(count) {
    this.unread = Math.min(count, FEED_ROWS);
    setHidden(this.refs.fresh, count === 0);
    if (count) setText(this.refs.fresh, `${this.unread} new ↑`);
  }

  paintEmpty(isStarting) {
    setText(this.refs.empty, isStarting ? "Waiting for the first observation…" : "No session has come or gone since you opened this page.");
    setHidden(this.refs.nothing, this.list.childElementCount > 0);
  }
}

function makeNote(text) {
  const row = make("li", "note");
  row.textContent = text;
  return row;
}

function fillRow(row, event) {
  const { data, timestamp } = event;
  const [time, sign, { children: [who, gap] }, total] = row.children;
  const created = isCreated(event);
  const count = countOf(event);
  const nodes = describeNodes(data.node_ids, count);
  const what = `${writeCount(count)} ${created ? "created" : nameEnding(data.reason)}`;
  const gapText = isNumber(data.after_gap_seconds) ? `after ${writeSpan(data.after_gap_seconds, ["s", "min", "h"])} gap` : "";
  setText(time, writeTime(timestamp));
  setAttribute(time, "datetime", clean(timestamp));
  setText(sign, created ? "+" : "−");
  setAttribute(sign, "class", `ic ${created ? "made" : "gone"}`);
  setText(who.children[0], what);
  setText(who.children[2], nodes.short);
  who.children[2].classList.toggle("unknown", !nodes.known);
  setText(gap, gapText);
  setText(total, writeCount(data.current_count));
  const exact = isDate(timestamp) ? `${day.format(new Date(timestamp))} ${writeTime(timestamp)}.${new Date(timestamp).toISOString().slice(20, 23)} ${zoneName}` : "time not known";
  setAttribute(row, "title", [what, nodes.long, gapText, `total ${writeCount(data.current_count)}`, exact].filter(Boolean).join(" · "));
}

/** Toasts: few at a time; what is more folds into the last one. */
class Toasts {
  constructor(box) {
    this.box = box;
    this.shown = []; // {element, tally, isFold, isAway, left: ms}
    this.missed = []; // while the tab was hidden: the first few events, then
    this.missedTally = startTally(); // only their sums
    this.timer = null;
    this.lifetime = DEFAULTS.toast_seconds * 1_000;
  }

  announce(events) {
    for (const event of events) {
      if (!document.hidden) this.show(event);
      else {
        addToTally(this.missedTally, event);
        if (this.missed.length < TOASTS) this.missed.push(event);
      }
    }
  }

  tellMissed() {
    const { missed, missedTally } = this;
    this.missed = [];
    this.missedTally = startTally();
    if (missedTally.changes > TOASTS) this.place(missedTally, { isFold: true, isAway: true });
    else for (const event of missed) this.show(event);
  }

  show(event) {
    this.place(addToTally(startTally(), event));
  }

  place(tally, { isFold = false, isAway = false } = {}) {
    let toast = this.shown.at(-1);
    if (toast && ((toast.isFold && !toast.isAway) || this.shown.length >= TOASTS)) {
      mergeTally(toast.tally, tally);
      toast.isFold = true;
    } else {
      toast = { element: make("div", "toast", TOAST), tally, isFold, isAway };
      this.box.append(toast.element);
      this.shown.push(toast);
      const added = toast;
      added.element.querySelector("button").addEventListener("click", () => this.dismiss(added));
      slideIn(added.element, "translateY(12px)");
    }
    toast.left = this.lifetime;
    paintToast(toast);
    if (this.timer === null) this.run();
  }

  /** Count the toasts' time down, except while one of them is pointed at or has the focus. */
  run() {
    let before = performance.now();
    const canHover = matchMedia("(hover: hover)").matches; // a touch leaves :hover behind for good
    this.timer = setInterval(() => {
      const now = performance.now();
      const isHeld = this.box.matches(canHover ? ":hover, :focus-within" : ":focus-within");
      if (!isHeld) for (const toast of [...this.shown]) if ((toast.left -= now - before) <= 0) this.drop(toast);
      before = now;
      if (this.shown.length) return;
      clearInterval(this.timer);
      this.timer = null;
    }, 100);
  }

  dismiss(toast) {
    const at = this.shown.indexOf(toast);
    const hadKeyboard = toast.element.querySelector("button").matches(":focus-visible");
    this.drop(toast);
    const next = this.shown[Math.min(at, this.shown.length - 1)];
    if (hadKeyboard) next?.element.querySelector("button").focus();
  }

  drop(toast) {
    const { element } = toast;
    this.shown = this.shown.filter((other) => other !== toast);
    const fade = isReduced() ? null : element.animate?.([{}, { opacity: 0 }], { duration: 140, fill: "forwards" });
    element.inert = true;
    if (fade) setTimeout(() => element.remove(), 140);
    else element.remove();
  }
}

const startTally = () => ({ changes: 0, created: 0, ended: 0, total: null, gap: null });

function addToTally(tally, event) {
  const count = countOf(event);
  return mergeTally(tally, {
    changes: 1, created: isCreated(event) ? count : 0, ended: isCreated(event) ? 0 : count,
    total: event.data.current_count, gap: event.data.after_gap_seconds ?? null,
  });
}

function mergeTally(tally, more) {
  for (const sum of ["changes", "created", "ended"]) tally[sum] += more[sum];
  return Object.assign(tally, { total: more.total, gap: more.gap ?? tally.gap });
}

function paintToast({ element, tally, isFold, isAway }) {
  const [sign, what, close] = element.children;
  const { changes, created, ended, total, gap } = tally;
  const kind = isFold ? "mixed" : created ? "made" : "gone";
  const signed = [created && `+${writeCount(created)}`, ended && `−${writeCount(ended)}`].filter(Boolean).join(" ");
  setAttribute(element, "class", `toast ${kind}`);
  setAttribute(sign, "class", `ic ${kind}`);
  setText(sign, { made: "+", gone: "−", mixed: "±" }[kind]);
  const title = isFold
    ? `${writeCount(changes)} ${isAway ? "changes while away" : "more changes"}: ${signed}`
    : `${pluralize(created || ended, "session")} ${created ? "created" : "destroyed"}`;
  setText(what.children[0], title);
  setText(what.children[1], `Total: ${writeCount(total)}${gap === null ? "" : ` · after ${writeSpan(gap, ["s", "min", "h"])} without sight`}`);
  setAttribute(close, "aria-label", `Dismiss: ${title}`);
}

/** The page's own link to its server; while it is lost, the count is asked for over HTTP. */
class PageLink {
  constructor(isPage, onChange) {
    Object.assign(this, { isPage, onChange, interval: DEFAULTS.fallback_interval_seconds * 1_000 });
    Object.assign(this, { lostAt: null, lostSince: null, hasApi: true, isAsked: false, isUrgent: false });
    this.answer = null; // {count, age, stale, at} over HTTP
    this.request = null;
    this.hear();
  }

  /** Note a sign of life of the socket. */
  hear() {
    this.heardAt = performance.now();
    this.heardSince = Date.now();
    if (this.lostAt === null) return;
    this.stop();
    Object.assign(this, { lostAt: null, lostSince: null, answer: null, isUrgent: false });
    this.onChange();
  }

  lose(since = Date.now()) {
    if (this.lostAt !== null) return;
    Object.assign(this, { lostAt: performance.now(), lostSince: since, isAsked: !this.isPage });
    this.ask();
    this.onChange();
  }

  stop() {
    this.request?.abort();
    this.request = null;
    clearTimeout(this.askTimer);
    clearTimeout(this.reloadTimer);
    this.reloadTimer = null;
  }

  checkSilence() {
    if (performance.now() - this.heardAt > SILENCE_MS) this.lose(this.heardSince);
  }

  /** The computer or the network is back: don't wait for the next turn. */
  wake() {
    // The monotonic clock may stand still while a computer sleeps, so the wall clock counts too.
    const silence = Math.max(performance.now() - this.heardAt, Date.now() - this.heardSince);
    if (silence <= WAKE_MS || document.hidden) return;
    this.isUrgent = true;
    if (this.lostAt === null) this.lose(this.heardSince);
    else this.ask();
  }

  async ask() {
    if (!this.isPage) return;
    clearTimeout(this.askTimer);
    this.request?.abort();
    const request = (this.request = new AbortController());
    this.askTimer = setTimeout(() => this.ask(), this.interval);
    const timeout = setTimeout(() => request.abort(), Math.min(REQUEST_MS, this.interval));
    let answer = null;
    let isAnswered = false;
    try {
      if (this.hasApi) [isAnswered, answer] = await this.askCount(request.signal);
      if (!this.hasApi && !request.signal.aborted) isAnswered = (await askServer(STATIC_URL, "HEAD", request.signal)).ok;
    } catch {
      answer = null; // the server is away: it shows
    }
    clearTimeout(timeout);
    if (this.request !== request) return; // the link is back, or a newer request is under way
    Object.assign(this, { answer, isAsked: true });
    this.onChange();
    if (isAnswered && (this.isUrgent || performance.now() - this.lostAt >= RECONNECT_MS)) this.reloadSoon();
  }

  async askCount(signal) {
    const response = await askServer(COUNT_URL, "GET", signal);
    if (response.status === 404) {
      if (this.request?.signal === signal) this.hasApi = false;
      return [false, null];
    }
    const body = await response.json(); // a proxy's page of apology is no answer: it is no JSON
    const isCount = response.ok && isNumber(body?.active_count);
    return [true, isCount ? { count: body.active_count, age: body.age_seconds ?? 0, stale: body.stale === true, at: performance.now() } : null];
  }

  reloadSoon() {
    if (this.reloadTimer || Date.now() - readReloadTime() < RELOAD_GAP_MS) return;
    const [least, most] = RELOAD_JITTER_MS;
    this.reloadTimer = setTimeout(() => {
      try {
        sessionStorage.setItem(RELOAD_KEY, String(Date.now()));
      } catch { /* the page's own age then limits reloads */ }
      location.reload();
    }, least + Math.random() * (most - least));
  }
}

const askServer = (url, method, signal) => fetch(new URL(url, document.baseURI), { method, cache: "no-store", signal });

function readReloadTime() {
  try {
    return Number(sessionStorage.getItem(RELOAD_KEY) ?? 0);
  } catch {
    return performance.timeOrigin;
  }
}

function readTheme() {
  try {
    const theme = localStorage.getItem(THEME_KEY);
    return Object.hasOwn(THEMES, theme) ? theme : "system";
  } catch {
    return "system";
  }
}

function describeLink({ connection, sessions }, link, elapsed) {
  if (link.lostAt !== null) {
    if (link.answer) return ["warn", "Over HTTP", `Over HTTP · ${writeAgo(link.answer.age + (performance.now() - link.answer.at) / 1_000)}`];
    if (link.isAsked) return ["bad", "Disconnected", `Disconnected since ${writeTime(link.lostSince)}`];
    return ["", "Reconnecting…", "Reconnecting…"];
  }
  const { state, label, detail } = connection;
  const age = isNumber(sessions.age_seconds) ? writeAgo(sessions.age_seconds + elapsed) : "";
  const reason = clean(connection.reason);
  switch (state) {
    case "live":
    case "polling":
      return [state === "live" ? "ok" : "info", clean(label), [clean(label), clean(detail), age].filter(Boolean).join(" · ")];
    case "stale":
      return ["warn", "Stale", connection.since ? `Stale since ${writeTime(connection.since)}` : "Stale"];
    case "unreachable":
      return ["bad", "Unreachable", `KATO unreachable${reason && `: ${reason}`}`];
    default:
      return ["", "Connecting…", "Connecting to KATO…"];
  }
}

/** One visit: what is built once, and outlives each rendering of it. */
class Visit {
  constructor(isPage) {
    this.isPage = isPage;
    this.root = make("div", isPage ? "kato page" : "kato", buildPage(isPage));
    this.refs = findRefs(this.root);
    this.feed = new Feed(this.refs);
    this.toasts = new Toasts(this.refs.toasts);
    this.link = new PageLink(isPage, () => this.paint());
    this.sourceRows = new Map();
    this.payload = null;
    this.text = "";
    this.hasWarned = false;
    this.refs.theme?.addEventListener("click", () => this.cycleTheme());
  }

  attach(model, view) {
    this.detach();
    const scroll = this.feed.list.scrollTop; // moving an element forgets it
    const life = (this.life = new AbortController());
    const { signal } = life;
    const whileAlive = (act) => () => signal.aborted || act();
    const wake = () => this.link.wake();
    model.on("payload", whileAlive(() => this.receive(model.payload)));
    model.on("remove", whileAlive(() => this.detach()));
    const bokeh = view?.model?.document;
    bokeh?.on_event?.("connection_lost", whileAlive(() => this.link.lose()));
    bokeh?.on_event?.("client_reconnected", whileAlive(() => this.link.hear()));
    window.addEventListener("online", wake, { signal });
    window.addEventListener("pageshow", wake, { signal });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.toasts.tellMissed();
      wake();
    }, { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paintTheme(), { signal });
    const timer = setInterval(() => this.tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    if (this.link.lostAt !== null) this.link.ask();
    if (model.payload !== this.text) this.receive(model.payload);
    this.paintTheme();
    this.paint();
    requestAnimationFrame(() => (this.feed.list.scrollTop = scroll));
    return this.root;
  }

  detach() {
    this.life?.abort();
    this.link.stop();
  }

  receive(text) {
    this.text = text;
    if (!text) return;
    this.link.hear();
    let payload;
    try {
      payload = JSON.parse(text);
      const { epoch, connection, sessions, rates, sources, events } = payload;
      if (![epoch, connection, sessions, rates, sources, events].every(Boolean)) throw new TypeError("parts are missing");
    } catch (error) {
      if (!this.hasWarned) console.warn("kato_panel: a payload could not be read:", error);
      this.hasWarned = true;
      return;
    }
    this.payload = payload;
    this.receivedAt = performance.now();
    const { toast_seconds, fallback_interval_seconds } = { ...DEFAULTS, ...payload.settings };
    this.toasts.lifetime = toast_seconds * 1_000;
    this.link.interval = fallback_interval_seconds * 1_000;
    if (payload.features?.session_events) {
      const fresh = this.feed.take(payload);
      this.toasts.announce(fresh.filter(({ seq }) => seq > payload.backlog_until));
    }
    this.paint();
  }

  tick() {
    this.link.checkSilence();
    this.paint();
  }

  paint() {
    const { refs, link, payload, isPage } = this;
    if (!payload) return this.paintPill(["", "Connecting…", "Connecting to KATO…"]);
    const elapsed = (performance.now() - this.receivedAt) / 1_000;
    this.paintPill(describeLink(payload, link, elapsed));
    setHidden(refs.demo, !payload.demo);
    setAttribute(this.root, "data-link", link.lostAt === null ? "up" : "lost");
    this.paintActive(payload, link, elapsed);
    this.paintRates(payload.rates);
    this.paintSources(payload.sources, elapsed);
    setHidden(refs.events, !payload.features?.session_events);
    this.feed.paintEmpty(payload.sessions.active_count === null);
    const title = `${refs.active.textContent} · KATO sessions`;
    if (isPage && document.title !== title) document.title = title;
  }

  paintPill([tone, brief, full]) {
    const { pill, pillFull, pillBrief, said } = this.refs;
    setAttribute(pill, "class", `pill ${tone}`);
    setAttribute(pill, "title", full);
    setText(pillFull, full);
    setText(pillBrief, brief);
    setText(said, brief); // for screen readers: the change, without the ticking age
  }

  paintActive({ sessions, connection, now }, link, elapsed) {
    const { refs } = this;
    const isLost = link.lostAt !== null;
    const { answer } = link;
    const age = answer ? answer.age + (performance.now() - answer.at) / 1_000 : isNumber(sessions.age_seconds) ? sessions.age_seconds + elapsed : null;
    const observedAt = isNumber(sessions.age_seconds) && isDate(now) ? new Date(now).getTime() - sessions.age_seconds * 1_000 : null;
    const isOld = answer ? answer.stale : isLost || sessions.stale;
    setText(refs.active, writeCount(answer ? answer.count : sessions.active_count));
    refs.active.classList.toggle("old", isOld);
    setText(refs.age, (isOld && !answer) || age === null || age < 1.5 ? "" : writeAgo(age));
    setHidden(refs.stale, !isOld);
    const since = isLost && !answer ? observedAt : connection.since ?? observedAt;
    if (isOld) setText(refs.stale, answer ? "stale" : isLost ? `as of ${writeTime(since)}` : `stale since ${writeTime(since)}`);
    setHidden(refs.suspect, isLost || !sessions.suspect);
    if (sessions.suspect) setText(refs.suspect, `suspect: KATO says ${writeCount(sessions.suspect_count)}, waiting for the next poll to confirm`);

    const { change, change_window_seconds: seconds } = sessions;
    setHidden(refs.change, isLost || !isNumber(change));
    if (isNumber(change)) {
      setText(refs.changeBy, change === 0 ? "no change" : `${change > 0 ? "▲" : "▼"} ${writeCount(Math.abs(change))}`);
      setAttribute(refs.changeBy, "class", change === 0 ? "" : change > 0 ? "made" : "gone");
      setText(refs.changeIn, isNumber(seconds) ? ` in ${writeSpan(seconds, ["second", "minute", "hour"])}` : "");
    }
    setText(refs.note, isLost && answer ? "Asked for over HTTP while the live link is away." : clean(sessions.note));
  }

  paintRates({ created_per_minute: created, ended_per_minute: ended, window_seconds: seconds, note }) {
    const { refs } = this;
    const isLost = this.link.lostAt !== null;
    const over = isNumber(seconds) ? `over ${writeSpan(seconds, ["s", "min", "h"])}` : "";
    // The note's first words ("at least") belong to the number; the rest is for who asks.
    const bound = String(note ?? "").split(/[;:.,]/)[0].toLowerCase();
    for (const [name, rate] of [["created", created], ["ended", ended]]) {
      const isKnown = isNumber(rate);
      setText(refs[name], writeRate(rate));
      refs[name].classList.toggle("old", isLost || this.payload.sessions.stale);
      setText(refs[`${name}Window`], isKnown ? [over, bound.length <= 16 && bound].filter(Boolean).join(" · ") : "not known yet");
      setAttribute(refs[`${name}Window`], "title", clean(note));
    }
  }

  paintSources(sources, elapsed) {
    const { refs, sourceRows } = this;
    const isLost = this.link.lostAt !== null;
    setText(refs.sourcesAt, isLost ? `as of ${writeTime(this.payload.now)}` : "");
    for (const [at, source] of sources.entries()) {
      const { name, health } = source;
      if (!sourceRows.has(name)) sourceRows.set(name, make("li", "", '<span class="dot"></span><span class="name"></span><span class="val"></span>'));
      const row = sourceRows.get(name);
      if (refs.sources.children[at] !== row) refs.sources.insertBefore(row, refs.sources.children[at] ?? null);
      const reason = clean(source.reason);
      const age = isNumber(source.age_seconds) ? source.age_seconds + (isLost ? 0 : elapsed) : null;
      setAttribute(row, "class", health);
      setText(row.children[1], clean(source.label));
      setText(row.children[2], health === "up" ? writeAge(age) : ["degraded", "down"].includes(health) ? reason || health : health);
      setAttribute(row, "title", [clean(source.label), health, reason].filter(Boolean).join(" · "));
    }
    while (refs.sources.children.length > sources.length) refs.sources.lastElementChild.remove();
  }

  cycleTheme() {
    const names = Object.keys(THEMES);
    this.theme = names[(names.indexOf(this.theme) + 1) % names.length];
    try {
      localStorage.setItem(THEME_KEY, this.theme);
    } catch { /* it holds for this visit */ }
    this.paintTheme();
  }

  paintTheme() {
    this.theme ??= readTheme();
    const isDark = this.theme === "dark" || (this.theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
    this.root.dataset.theme = isDark ? "dark" : "light";
    if (!this.isPage) return;
    document.documentElement.dataset.theme = this.root.dataset.theme;
    const [words, picture] = THEMES[this.theme];
    this.refs.theme.innerHTML = picture;
    this.refs.theme.title = `Theme: ${words}`;
    this.refs.theme.setAttribute("aria-label", `Theme: ${words}; change`);
  }
}

const visits = new Map();

export function render({ model, view }) {
  if (!visits.has(model.key)) visits.set(model.key, new Visit(model.page));
  return visits.get(model.key).attach(model, view);
}
