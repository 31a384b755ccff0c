/** All that a view shows of alerts: bell, drawer, list, rules and toasts; and the orders it gives. */

import { SENTENCE, clean, isDate, writeCount, writeTime } from "./words.js";
import { ALERT_DRAWER, ALERT_LIST } from "./alert_markup.js";
import { closeByEscape, setAttribute, setHidden, setText } from "./markup.js";
import { NO_ANSWER, PATIENCE_SECONDS, secondsSince } from "./asking.js";
import { addSilences } from "./silences.js";
import { ReadMarks } from "./read_marks.js";
import { AlertList, describeUnread } from "./alert_list.js";
import { RuleRows } from "./rule_rows.js";
import { AlertToasts } from "./alert_toasts.js";

const JUMP_EVENT = "kato-panel-jump";
const MOST_IN_BADGE = 99;
const RANGES = [["5m", 300], ["1h", 3_600], ["24h", 86_400], ["7d", 604_800]];

export class AlertDesk {
  /** `onJump(range)` hears how far back the chart has to look. */
  constructor(refs, parts, onJump) {
    this.refs = refs;
    this.onJump = onJump;
    this.alerts = [];
    this.text = "";
    this.isLive = true;
    this.asOf = null;
    this.offset = 0; // of the server's clock, in ms
    this.orders = new Map(); // by number: when it was given
    this.lastId = Date.now(); // so that no order is one that a view before this has given
    this.marks = new ReadMarks(() => this.paint());
    this.lists = [];
    if (parts.includes("alerts")) this.lists.push(new AlertList(refs.alerts, ALERT_LIST, this));
    if (refs.drawer) this.buildDrawer(refs.drawer);
    this.rules = parts.includes("rules") ? new RuleRows(refs.rules, this) : null;
    this.toasts = parts.includes("toasts") ? new AlertToasts(refs.alarms, this) : null;
  }

  buildDrawer(drawer) {
    const list = new AlertList(drawer, ALERT_DRAWER, this);
    this.lists.push(list);
    list.refs.close.addEventListener("click", () => drawer.close());
    closeByEscape(drawer);
    drawer.addEventListener("pointerdown", ({ clientX }) => clientX < drawer.getBoundingClientRect().left && drawer.close());
    this.refs.bell.addEventListener("click", () => this.open());
  }

  attach(model, signal) {
    const whileAlive = (act) => () => signal.aborted || act();
    Object.assign(this, { model, acts: model.acts });
    this.marks.attach(signal);
    model.on("alerts", whileAlive(() => this.take(model.alerts)));
    model.on("rules", whileAlive(() => this.rules?.take(model.rules)));
    model.on("outcome", whileAlive(() => this.takeOutcome(model.outcome)));
    this.take(model.alerts);
    this.rules?.take(model.rules);
    if (!model.page) return;
    this.refs.body.addEventListener(JUMP_EVENT, ({ detail }) => this.jump(detail), { signal });
  }

  take(text) {
    if (!text || text === this.text) return;
    const before = this.alerts;
    this.text = text;
    const { alerts, silences } = JSON.parse(text);
    this.alerts = addSilences(alerts, silences);
    this.marks.begin(this.alerts);
    this.toasts?.take(this.alerts, before);
    this.paint();
  }

  /** Say how the link is: whether what is shown is of now, and what time it is at the server. */
  note(isLive, asOf) {
    const hasChanged = this.isLive !== isLive;
    if (asOf !== this.asOf && isDate(asOf)) this.offset = new Date(asOf).getTime() - Date.now();
    Object.assign(this, { isLive, asOf });
    if (hasChanged) this.paint();
  }

  /** The server's time, in milliseconds. */
  now() {
    return this.isLive || !isDate(this.asOf) ? Date.now() + this.offset : new Date(this.asOf).getTime();
  }

  tick() {
    for (const [id, at] of this.orders) {
      if (secondsSince(at) <= PATIENCE_SECONDS) continue;
      this.orders.delete(id);
      this.fail(NO_ANSWER);
    }
    if (this.refs.drawer?.open || this.refs.alerts.isConnected) for (const list of this.lists) list.paint();
  }

  isUnread(alert) {
    return !this.marks.has(alert) && !alert.silence && !alert.acknowledged_at;
  }

  unread() {
    return this.alerts.filter((alert) => this.isUnread(alert));
  }

  paint() {
    const { refs, text } = this;
    const unread = this.unread();
    this.toasts?.forget((alert) => this.marks.has(alert) || alert.acknowledged_at);
    for (const list of this.lists) list.paint();
    this.rules?.paint();
    if (!refs.bell) return;
    const isOn = text !== "";
    const firing = this.alerts.filter((alert) => !alert.resolved_at).length;
    const words = `Alerts: ${describeUnread(unread.length)}, ${writeCount(firing)} firing${this.isLive ? "" : `, as of ${writeTime(this.asOf)}`}`;
    setHidden(refs.bell, !isOn);
    setAttribute(refs.bell, "aria-label", words);
    setAttribute(refs.bell, "title", words);
    setHidden(refs.badge, unread.length === 0);
    setText(refs.badge, unread.length > MOST_IN_BADGE ? `${MOST_IN_BADGE}+` : String(unread.length));
    if (!isOn && refs.drawer.open) refs.drawer.close();
  }

  /** What is said above a list: what went wrong, and that it is not of now. */
  paintNotes({ failure, cut }) {
    setText(failure, clean(this.failure, SENTENCE));
    setHidden(failure, !this.failure);
    setText(cut, `Not live: as of ${writeTime(this.asOf)}. Nothing can be changed until the link is back.`);
    setHidden(cut, this.isLive);
  }

  open() {
    const { drawer } = this.refs;
    if (!drawer || drawer.open) return;
    this.failure = "";
    this.paint();
    drawer.showModal();
  }

  read(alerts) {
    this.marks.add(alerts);
  }

  acknowledge(alert) {
    this.give({ acknowledge: alert.id });
    this.read([alert]);
  }

  /** Without a subject, all of a rule is meant. */
  silence({ rule, subject }, until) {
    this.give({ silence: { rule, subject: subject ?? "", until } });
  }

  give(order) {
    const id = (this.lastId += 1);
    this.orders.set(id, performance.now());
    this.failure = "";
    this.model.order = JSON.stringify({ id, ...order });
  }

  takeOutcome(text) {
    const { id, error } = JSON.parse(text);
    if (this.orders.delete(id) && error) this.fail(error);
  }

  fail(reason) {
    this.failure = `Nothing was changed. ${reason}`;
    this.paint();
  }

  canJump({ since: at }) {
    const isNear = this.now() - new Date(at).getTime() < RANGES.at(-1)[1] * 1_000;
    return isNear && Boolean(this.refs.drawer || this.model?.within);
  }

  /** Show an alert's time in the page's chart; a part of the page asks the page. */
  jump(alert) {
    if (!this.model.page) {
      this.refs.alerts.dispatchEvent(new CustomEvent(JUMP_EVENT, { detail: alert, bubbles: true, composed: true }));
      return;
    }
    const age = (this.now() - new Date(alert.since).getTime()) / 1_000;
    this.refs.drawer.close();
    this.model.marked = alert.id;
    this.onJump(RANGES.find(([, seconds]) => age < seconds * 0.9)?.[0] ?? RANGES.at(-1)[0]);
  }
}
