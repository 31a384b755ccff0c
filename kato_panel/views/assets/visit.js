/**
 * The live page of KATO's sessions: one Panel ESM component, plain DOM.
 *
 * Fed by one property, `model.payload`: JSON text, replaced every few seconds and at each event.
 * `model.key` names the visit: what a visit has built and seen outlives a new rendering of it.
 * `model.page` tells whether this is the whole page or part of one, such as a notebook, and
 * `model.parts` which cards are shown.
 */

import { DEFAULTS, SENTENCE, clean, isDate, isNumber, isReduced, readFromAddress, setInAddress, writeAge, writeAgo, writeCount, writeRate, writeSpan, writeTime, zoneName } from "./words.js";
import { THEMES, build, make, setAttribute, setHidden, setText } from "./markup.js";
import { drawBars, drawCurve, drawLine } from "./pictures.js";
import { splitLength, writeBounds } from "./churn_words.js";
import { THEME_PARAMETER, followHost, isHostDark, keepTheme, prefersDark, readTheme } from "./theme.js";
import { Tabs } from "./tabs.js";
import { paintIcon } from "./icon.js";
import { Feed } from "./feed.js";
import { Exports } from "./exports.js";
import { Figures } from "./figures.js";
import { Toasts } from "./toasts.js";
import { PageLink, describeLink } from "./link.js";
import { AlertDesk } from "./alerts.js";
import { ReplayBar } from "./replay.js";

const TICK_MS = 1_000;
const REMOVED_MS = 5_000;
const RANGE_KEY = "since";
const DEFAULT_RANGE = "1h";

const readRange = () => ["5m", "1h", "24h", "7d"].find((range) => range === readFromAddress(RANGE_KEY));

/** One visit: what is built once, and outlives each rendering of it. */
class Visit {
  constructor(isPage, parts) {
    this.isPage = isPage;
    [this.root, this.refs] = build(parts, isPage);
    this.feed = new Feed(this.refs, isPage, (seq) => (this.model.before = seq));
    this.toasts = new Toasts(this.refs.toasts);
    this.desk = new AlertDesk(this.refs, parts, (range) => this.jump(range));
    this.isWidget = isPage && !parts.includes("header");
    this.tabs = isPage && !this.isWidget ? new Tabs(this.refs, (name) => this.showTab(name)) : null;
    this.link = new PageLink(isPage, () => this.paint());
    this.figures = new Figures(this.refs);
    this.replay = this.refs.replay ? new ReplayBar(this.refs.replay) : null;
    this.exports = new Exports(this.refs, () => ({ tab: this.tabs.chosen, range: this.range, isReplay: Boolean(this.payload?.replay) }));
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
    model.on("older", whileAlive(() => this.feed.takeOlder(JSON.parse(model.older).events)));
    model.on("recent", whileAlive(() => this.drawRecent(model.recent)));
    model.on("chart", whileAlive(() => this.placeChart(model)));
    model.on("remove", whileAlive(() => {
      this.detach();
      // A cell that is run again shows another view; a page's visit may come back.
      if (!this.isPage) setTimeout(() => signal === this.life.signal && visits.delete(model.key), REMOVED_MS);
    }));
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
    if (!this.isPage) followHost(() => this.paintTheme(), signal);
    const timer = setInterval(() => this.tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    if (this.link.lostAt !== null) this.link.ask();
    this.attachChart(model, signal);
    this.desk.attach(model, signal);
    model.on("body", whileAlive(() => this.placeBody(model)));
    this.tabs?.attach(model.tabs, signal);
    this.placeBody(model);
    this.drawRecent(model.recent);
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
      const { connection, sessions, rates, sources } = payload;
      if (![connection, sessions, rates, sources].every(Boolean)) throw new TypeError("parts are missing");
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
    this.link.hasApi = payload.features.api;
    this.link.epoch = payload.epoch;
    if (payload.features?.session_events && payload.events) {
      const fresh = this.feed.take(payload);
      this.feed.takeGaps(payload.gaps ?? []);
      this.toasts.announce(fresh.filter(({ seq }) => seq > payload.backlog_until));
    }
    this.paint();
  }

  /** The chart is Panel's own child; it is told what the page alone knows: zone, theme, range. */
  attachChart(model, signal) {
    this.model = model;
    this.root.classList.toggle("within", model.within);
    model.zone = zoneName;
    model.range = this.range ?? (this.isPage ? readRange() : null) ?? model.range;
    this.showRange(model.range);
    for (const chip of this.refs.ranges.children) {
      chip.addEventListener("click", () => {
        this.chooseRange(chip.dataset.range);
      }, { signal });
    }
    this.placeChart(model);
  }

  placeChart(model) {
    const child = model.chart ? model.get_child("chart") : null;
    if (child) this.refs.chart.replaceChildren(child);
    this.paint();
  }

  /** Show the chart, and so far back. */
  jump(range) {
    this.tabs.go("live");
    this.chooseRange(range);
    this.refs.chart.scrollIntoView({ block: "center", behavior: isReduced() ? "auto" : "smooth" });
  }

  showTab(name) {
    this.model.tab = name;
    if (name === "live") this.feed.comeBack();
  }

  /** What the chosen tab shows is Panel's own child, too. */
  placeBody(model) {
    const child = model.body ? model.get_child("body") : null;
    if (child) this.refs.body.replaceChildren(child);
    if (this.isWidget) this.placeOnly(child);
  }

  /** A widget shows either its one live card, or what is no live card. */
  placeOnly(child) {
    setHidden(this.refs.body, !child);
    setHidden(this.refs.frame, Boolean(child) || this.model.parts.length === 0);
  }

  chooseRange(range) {
    this.model.range = range;
    this.showRange(range);
    if (this.isPage) setInAddress({ [RANGE_KEY]: range === DEFAULT_RANGE ? null : range });
  }

  showRange(range) {
    this.range = range;
    for (const chip of this.refs.ranges.children) setAttribute(chip, "aria-pressed", String(chip.dataset.range === range));
  }

  drawRecent(text) {
    if (!text) return;
    const recent = JSON.parse(text);
    drawLine(this.refs.spark, recent);
    drawBars(this.refs.createdBars, recent, 1);
    drawBars(this.refs.endedBars, recent, 2);
  }

  tick() {
    this.link.checkSilence();
    this.paint();
    this.desk.tick();
  }

  paint() {
    const { refs, link, payload, isPage } = this;
    if (payload?.over) link.rest();
    if (!payload) return this.paintPill(["", "Connecting…", "Connecting to KATO…"]);
    this.desk.note(link.lostAt === null && !payload.over, payload.now);
    // The time of a replay is not that of this clock.
    const elapsed = payload.replay ? 0 : (performance.now() - this.receivedAt) / 1_000;
    const mark = describeLink(payload, link, elapsed);
    const isAway = payload.connection.state === "unreachable";
    const reason = isAway ? "KATO has not answered yet. It is asked again and again." : "Waiting for the first observation…";
    this.paintPill(mark);
    this.shown = { isBad: mark[0] === "bad" };
    setHidden(refs.demo, !payload.demo);
    this.replay?.paint(payload.replay);
    // What was shown is of another time: begin with what was known at this one.
    const jumps = payload.replay?.jumps;
    if (isPage && this.jumps !== undefined && jumps !== this.jumps) window.location.reload();
    this.jumps = jumps;
    setHidden(refs.hint, !isPage || payload.features.api);
    this.exports.paint(payload.features);
    if (refs.logout) setHidden(refs.logout, !payload.features.logout);
    setAttribute(this.root, "data-link", payload.over ? "over" : link.lostAt === null ? "up" : "lost");
    this.paintActive(payload, link, elapsed);
    this.paintRates(payload.rates);
    if (payload.replay) for (const card of [refs.lifetimeCard, refs.upstreamCard]) card.remove(); // neither is recorded
    if (payload.lifetime) this.paintLifetime(payload.lifetime);
    this.paintSources(payload.sources, elapsed);
    this.figures.paint(payload.upstream, this.model?.labels ?? [], { elapsed, isLost: link.lostAt !== null || payload.over, now: payload.now });
    setHidden(refs.events, !payload.features?.session_events);
    this.feed.paintEmpty(payload.sessions.active_count === null, reason);
    this.paintNoChart(payload, reason);
    if (!isPage) return;
    const title = `${payload.replay ? "Replay · " : ""}${refs.active.textContent} · KATO sessions`;
    if (document.title !== title) document.title = title;
    const { count, isOld, isBad } = this.shown;
    paintIcon(count, isBad ? "bad" : isOld ? "old" : "live");
  }

  /** Where the chart is not there yet, say why. */
  paintNoChart({ sessions }, reason) {
    const { refs } = this;
    const isKnown = sessions.active_count !== null;
    setHidden(refs.noChart, isKnown && refs.chart.childElementCount > 0);
    setHidden(refs.chart, !isKnown);
    setText(refs.noChartWhy, isKnown ? "Drawing the chart…" : reason);
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
    const isOver = this.payload.over;
    const isOld = answer ? answer.stale : isLost || isOver || sessions.stale;
    Object.assign(this.shown, { count: answer ? answer.count : sessions.active_count, isOld });
    setText(refs.active, writeCount(this.shown.count));
    refs.active.classList.toggle("old", isOld);
    setText(refs.age, (isOld && !answer) || age === null || age < 1.5 ? "" : writeAgo(age));
    setHidden(refs.stale, !isOld);
    const since = (isLost || isOver) && !answer ? observedAt : connection.since ?? observedAt;
    if (isOld) setText(refs.stale, answer ? "stale" : isLost || isOver ? `as of ${writeTime(since)}` : `stale since ${writeTime(since)}`);
    setHidden(refs.suspect, isLost || !sessions.suspect);
    if (sessions.suspect) setText(refs.suspect, `suspect: KATO says ${writeCount(sessions.suspect_count)}, waiting for the next poll to confirm`);

    const { change, change_window_seconds: seconds } = sessions;
    setHidden(refs.change, isLost || !isNumber(change));
    if (isNumber(change)) {
      setText(refs.changeBy, change === 0 ? "no change" : `${change > 0 ? "▲" : "▼"} ${writeCount(Math.abs(change))}`);
      setAttribute(refs.changeBy, "class", change === 0 ? "" : change > 0 ? "made" : "gone");
      setText(refs.changeIn, isNumber(seconds) ? ` in ${writeSpan(seconds, ["second", "minute", "hour"])}` : "");
    }
    setText(refs.note, isLost && answer ? "Asked for over HTTP while the live link is away." : clean(sessions.note) || describeDrift(sessions));
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
      refs[name].classList.toggle("old", isLost || this.payload.over || this.payload.sessions.stale);
      setText(refs[`${name}Window`], isKnown ? [over, bound.length <= 16 && bound].filter(Boolean).join(" · ") : "not known yet");
      setAttribute(refs[`${name}Window`], "title", clean(note));
    }
  }

  paintLifetime({ value_seconds: value, low_seconds: low, high_seconds: high, window_seconds: seconds, reason, curve }) {
    const { refs } = this;
    const [number, unit] = splitLength(value);
    setText(refs.lifetime, number);
    setText(refs.lifetimeUnit, unit);
    drawCurve(refs.lifetimeCurve, curve);
    const over = `last ${writeSpan(seconds, ["s", "min", "h"])}`;
    setText(refs.lifetimeWhy, isNumber(value) ? `${writeBounds([value, low, high], value)} · ${over}` : clean(reason, SENTENCE));
  }

  paintSources(sources, elapsed) {
    const { refs, sourceRows } = this;
    const isLost = this.link.lostAt !== null || this.payload.over;
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
      setText(row.children[2], health === "up" ? writeAge(age) : ["degraded", "down", "off"].includes(health) ? reason || health : health);
      setAttribute(row, "title", [clean(source.label), health, reason].filter(Boolean).join(" · "));
    }
    while (refs.sources.children.length > sources.length) refs.sources.lastElementChild.remove();
    // What a source that is up has to say is advice: it stands below them, in full.
    const remarks = sources.filter(({ health, reason }) => health === "up" && reason);
    setText(refs.remarks, remarks.map(({ label, reason }) => `${clean(label)}: ${clean(reason, SENTENCE)}`).join(" · "));
  }

  cycleTheme() {
    const names = Object.keys(THEMES);
    this.theme = names[(names.indexOf(this.theme) + 1) % names.length];
    keepTheme(this.theme);
    setInAddress({ [THEME_PARAMETER]: null }); // the choice made last holds, also after a reload
    this.paintTheme();
  }

  paintTheme() {
    this.theme ??= readTheme(!this.isWidget);
    const isDark = this.isPage ? this.theme === "dark" || (this.theme === "system" && prefersDark()) : isHostDark();
    this.root.dataset.theme = isDark ? "dark" : "light";
    if (this.model && this.model.dark !== isDark) this.model.dark = isDark;
    if (!this.isPage) return;
    document.documentElement.dataset.theme = this.root.dataset.theme;
    if (this.isWidget) return;
    const [words, picture] = THEMES[this.theme];
    this.refs.theme.innerHTML = picture;
    this.refs.theme.title = `Theme: ${words}`;
    this.refs.theme.setAttribute("aria-label", `Theme: ${words}; change`);
  }
}

/** Say in one sentence why KATO's own number is another. */
function describeDrift({ reported_count: reported, drift }) {
  if (!isNumber(reported)) return "";
  if (!drift) return `KATO reports ${writeCount(reported)}.`;
  return `KATO reports ${writeCount(reported)}: ${writeCount(drift)} expired, still counted there.`;
}

const visits = new Map();

export function render({ model, view }) {
  let isReborn = false;
  for (const [key, visit] of visits) {
    if (!model.page || !visit.isPage || key === model.key) continue;
    visit.detach(); // a server that started anew gave this page a new visit: the old one is over
    visits.delete(key);
    isReborn = true;
  }
  if (!visits.has(model.key)) visits.set(model.key, new Visit(model.page, model.parts));
  const visit = visits.get(model.key);
  const root = visit.attach(model, view);
  // Panel sends nothing to a page that it did not load itself: the page has to be loaded again.
  if (isReborn) visit.link.reloadSoon();
  return root;
}
