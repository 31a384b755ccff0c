import { describeReplay } from "./replay.js";
import { DEFAULTS, clean, isNumber, writeAgo, writeTime } from "./words.js";

const SILENCE_MS = 10_000; // without a payload for so long, the page's own link counts as lost
const WAKE_MS = 12_000; // a payload older than this, seen on waking up, is worth a reload
const REQUEST_MS = 5_000;
const RECONNECT_MS = 30_000; // the chance Bokeh's own reconnect gets before a reload
const RELOAD_GAP_MS = 60_000;
const RELOAD_JITTER_MS = [500, 2_000]; // so that many pages don't come back at one moment
const COUNT_URL = "api/v1/sessions/count";
const EPOCH_HEADER = "X-Kato-Panel-Epoch";
const STATIC_URL = "static/js/bokeh.min.js";
const RELOAD_KEY = "kato-panel-reloaded-at";

/** The page's own link to its server; while it is lost, the count is asked for over HTTP. */
export class PageLink {
  constructor(isPage, onChange) {
    Object.assign(this, { isPage, onChange, interval: DEFAULTS.fallback_interval_seconds * 1_000 });
    Object.assign(this, { lostAt: null, lostSince: null, hasApi: true, isAsked: false, isUrgent: false, epoch: null });
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
    if (this.lostAt !== null || this.isOver) return;
    Object.assign(this, { lostAt: performance.now(), lostSince: since, isAsked: !this.isPage });
    this.deadlineTimer = setTimeout(() => this.ask(), RECONNECT_MS); // whatever the interval is
    this.ask();
    this.onChange();
  }

  /** Nothing more will come, and that is as it should be. */
  rest() {
    if (this.isOver) return;
    this.isOver = true;
    this.hear();
  }

  stop() {
    this.request?.abort();
    this.request = null;
    for (const timer of [this.askTimer, this.deadlineTimer, this.reloadTimer]) clearTimeout(timer);
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
    if (isAnswered && (this.isUrgent || this.isRestarted || performance.now() - this.lostAt >= RECONNECT_MS)) this.reloadSoon();
  }

  async askCount(signal) {
    const response = await askServer(COUNT_URL, "GET", signal);
    const body = await response.json(); // a proxy's page of apology is no answer: it is no JSON
    const epoch = response.headers.get(EPOCH_HEADER);
    this.isRestarted = Boolean(epoch && this.epoch && epoch !== this.epoch); // there is nothing to reconnect to
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

/** A widget is one level below the dashboard, and says so itself. */
const locate = (url) => new URL((document.documentElement.dataset.up ?? "") + url, document.baseURI);
const askServer = (url, method, signal) => fetch(locate(url), { method, cache: "no-store", signal });

function readReloadTime() {
  try {
    return Number(sessionStorage.getItem(RELOAD_KEY) ?? 0);
  } catch {
    return performance.timeOrigin;
  }
}

export function describeLink({ connection, sessions, over, replay }, link, elapsed) {
  if (over) return ["", "Ended", "Ended: nothing more is shown here"];
  if (link.lostAt !== null) {
    if (link.answer) return ["warn", "Over HTTP", `Over HTTP · ${writeAgo(link.answer.age + (performance.now() - link.answer.at) / 1_000)}`];
    if (link.isAsked) return ["bad", "Disconnected", `Disconnected since ${writeTime(link.lostSince)}`];
    return ["", "Reconnecting…", "Reconnecting…"];
  }
  if (replay) return describeReplay(replay);
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
