/** Alerts, those that fire on top: found, read, and, where that is allowed, acknowledged and silenced. */

import { SENTENCE, clean, isDate, pluralize, writeCount, writeDay, writeLong } from "./words.js";
import { ALERT_ROW } from "./alert_markup.js";
import { arrange, findRefs, make, setAttribute, setHidden, setText } from "./markup.js";
import { Silencing } from "./silencing.js";

const CHOICES = ["severity", "rule", "state"];
export const SIGNS = { error: "!", warning: "!", info: "i" };
const STATES = {
  firing: (alert) => !alert.resolved_at,
  resolved: (alert) => Boolean(alert.resolved_at),
  acknowledged: (alert) => Boolean(alert.acknowledged_at),
  silenced: (alert) => Boolean(alert.silence && !alert.resolved_at),
};

export class AlertList {
  /** `desk` knows the alerts, what was read of them, and takes orders. */
  constructor(box, markup, desk) {
    this.box = box;
    this.desk = desk;
    box.innerHTML = markup; // only ever one of the constants
    this.refs = findRefs(box);
    this.rows = new Map(); // by the alert's id: {element, refs, alert}
    this.silencing = new Silencing((alert, until) => desk.silence(alert, until));
    for (const name of CHOICES) this.refs[name].addEventListener("change", () => this.paint());
    this.refs.search.addEventListener("input", () => this.paint());
    this.refs.readAll.addEventListener("click", () => desk.read(desk.unread()));
  }

  paint() {
    const { refs, desk } = this;
    const { alerts } = desk;
    const unread = desk.unread();
    const firing = alerts.filter(STATES.firing).length;
    setText(refs.tally, [`${writeCount(firing)} firing`, unread.length && `${writeCount(unread.length)} unread`].filter(Boolean).join(" · "));
    setHidden(refs.readAll, unread.length === 0);
    this.paintRules(alerts);
    desk.paintNotes(refs);
    const found = alerts.filter((alert) => this.matches(alert));
    const sorted = [...found.filter(STATES.firing), ...found.filter(STATES.resolved)];
    const wanted = new Set(sorted.map(({ id }) => id));
    for (const [id, { element }] of this.rows) if (!wanted.has(id)) this.rows.delete(id) && this.takeAway(element);
    for (const alert of sorted) {
      const row = this.rows.get(alert.id) ?? this.makeRow(alert.id);
      row.alert = alert;
      this.paintRow(row);
    }
    arrange(refs.list, sorted.map(({ id }) => this.rows.get(id).element));
    setHidden(refs.list, sorted.length === 0);
    setHidden(refs.nothing, sorted.length > 0);
    setText(refs.nothingWhy, alerts.length ? "No alert matches." : "Nothing fires, and nothing did.");
  }

  matches(alert) {
    const { search, severity, rule, state } = this.refs;
    const wanted = search.value.trim().toLowerCase();
    const texts = [alert.message, alert.rule, alert.subject];
    return (!wanted || texts.some((text) => String(text ?? "").toLowerCase().includes(wanted)))
      && (!severity.value || alert.severity === severity.value)
      && (!rule.value || alert.rule === rule.value)
      && (!state.value || (state.value === "unread" ? this.desk.isUnread(alert) : STATES[state.value](alert)));
  }

  paintRules(alerts) {
    const { rule } = this.refs;
    const names = [...new Set(alerts.map((alert) => alert.rule))].sort();
    const key = names.join("\n");
    if (key === this.rulesKey) return;
    this.rulesKey = key;
    const chosen = rule.value;
    const options = names.map((name) => {
      const option = make("option", "");
      option.value = name;
      option.textContent = clean(name);
      return option;
    });
    rule.replaceChildren(rule.options[0], ...options);
    rule.value = names.includes(chosen) ? chosen : "";
  }

  makeRow(id) {
    const element = make("li", "", ALERT_ROW);
    const refs = findRefs(element);
    const row = { element, refs, alert: null };
    const { desk } = this;
    refs.read.addEventListener("click", () => desk.read([row.alert]));
    refs.jump.addEventListener("click", () => desk.jump(row.alert));
    refs.acknowledge.addEventListener("click", () => desk.acknowledge(row.alert));
    refs.loud.addEventListener("click", () => desk.silence(row.alert.silence, "0s"));
    refs.silence.addEventListener("click", () => this.silencing.toggle(row.alert, refs.silence, element));
    this.rows.set(id, row);
    return row;
  }

  paintRow({ element, refs, alert }) {
    const { desk } = this;
    const { severity, resolved_at: ended } = alert;
    const isSilent = STATES.silenced(alert);
    const isUnread = desk.isUnread(alert);
    const state = ended ? "resolved" : isSilent ? "silenced" : "firing";
    setAttribute(element, "class", isUnread ? "alert unread" : "alert");
    setAttribute(element, "data-severity", severity in SIGNS ? severity : "info");
    setAttribute(element, "data-stage", state);
    setText(refs.sign, SIGNS[severity] ?? SIGNS.info);
    setText(refs.message, clean(alert.message, SENTENCE));
    setText(refs.spoken, `, ${clean(severity)}${isUnread ? ", unread" : ""}`);
    setText(refs.rule, clean(alert.rule));
    setText(refs.subject, clean(alert.subject));
    setHidden(refs.subject, !alert.subject);
    setText(refs.when, describeTimes(alert, desk.now()));
    const more = describeMore(alert);
    setText(refs.more, more);
    setHidden(refs.more, !more);
    setText(refs.stateTag, state);
    const isShut = !desk.isLive;
    setHidden(refs.acknowledge, !desk.acts || Boolean(alert.acknowledged_at || ended));
    setHidden(refs.silence, !desk.acts || isSilent || Boolean(ended));
    setHidden(refs.loud, !desk.acts || !isSilent);
    for (const button of [refs.acknowledge, refs.silence, refs.loud]) if (button.disabled !== isShut) button.disabled = isShut;
    setHidden(refs.jump, !desk.canJump(alert));
    setHidden(refs.read, !isUnread);
    const focused = this.box.getRootNode().activeElement;
    if ((focused?.hidden || focused?.disabled) && element.contains(focused)) (element.querySelector(".act:not([hidden], :disabled)") ?? this.refs.list).focus();
  }

  /** What has the keyboard hands it on before it goes. */
  takeAway(element) {
    const hadKeyboard = element.contains(this.box.getRootNode().activeElement);
    if (element.contains(this.silencing.element)) this.silencing.close(false);
    element.remove();
    if (hadKeyboard) this.refs.list.focus();
  }
}

/** Say from when to when: "since 14:02:11 · 3 min", "14:02:11 – 14:05:00 · 3 min". */
export function describeTimes({ since: began, resolved_at: ended }, now) {
  const until = ended ? new Date(ended).getTime() : now;
  const lasted = isDate(began) ? writeLong((until - new Date(began).getTime()) / 1_000) : "—";
  return ended ? `${writeDay(began)} – ${writeDay(ended)} · ${lasted}` : `since ${writeDay(began)} · ${lasted}`;
}

function describeMore({ reason, resolved_at: ended, acknowledged_at: seen, acknowledged_by: by, silence }) {
  return [
    reason && `over because ${clean(reason, SENTENCE)}`,
    seen && `acknowledged ${writeDay(seen)} by ${clean(by)}`,
    silence && !ended && `${describeSilence(silence)} by ${clean(silence.by)}`,
  ].filter(Boolean).join(" · ");
}

export const describeSilence = ({ until }) => `silenced until ${writeDay(until)}`;
export const describeUnread = (count) => (count ? `${pluralize(count, "unread alert")}` : "none unread");
