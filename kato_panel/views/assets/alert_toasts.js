/** Toasts of alerts: an error stays until it is read, what is over says so. */

import { SENTENCE, clean, pluralize } from "./words.js";
import { ALERT_TOAST } from "./alert_markup.js";
import { make, setAttribute, setText } from "./markup.js";
import { Stack, countPlaces } from "./toasts.js";
import { SIGNS, describeTimes } from "./alert_list.js";

const SHOWN_MS = 10_000;

export class AlertToasts extends Stack {
  constructor(box, desk) {
    super(box);
    this.desk = desk;
    this.announced = null; // ids of those that were told, or were there before this page
  }

  /** Announce what began to fire since the last look, and what is over. */
  take(alerts, before) {
    const known = new Map(before.map((alert) => [alert.id, alert]));
    const isFirst = this.announced === null;
    this.announced ??= new Set(alerts.map(({ id }) => id));
    for (const alert of [...alerts].reverse()) {
      const toast = this.shown.find((one) => one.alerts.has(alert.id));
      if (toast) toast.alerts.set(alert.id, alert);
      if (isFirst || alert.silence) continue;
      const isOver = alert.resolved_at && known.get(alert.id)?.resolved_at === null;
      if (!this.announced.has(alert.id) || (isOver && !toast)) this.show(alert);
      this.announced.add(alert.id);
    }
    this.shown.forEach(paintAlarm);
  }

  show(alert) {
    const left = alert.severity === "error" && !alert.resolved_at ? Infinity : SHOWN_MS;
    // What is over, and begins again, need not be told both ways.
    for (const toast of [...this.shown]) if ([...toast.alerts.values()].every((other) => isSame(alert, other))) this.drop(toast);
    const last = this.shown.at(-1);
    if (this.shown.length >= countPlaces()) {
      last.alerts.set(alert.id, alert);
      last.left = Math.max(last.left, left);
      return;
    }
    const toast = this.add({ element: make("div", "toast alarm", ALERT_TOAST), alerts: new Map([[alert.id, alert]]), left });
    toast.element.children[1].addEventListener("click", () => {
      this.dismiss(toast);
      this.desk.open();
    });
    paintAlarm(toast);
  }

  /** Whoever sends it away has read it. */
  dismiss(toast) {
    super.dismiss(toast);
    this.desk.read([...toast.alerts.values()]);
  }

  /** What was read elsewhere need not be read here. */
  forget(isRead) {
    for (const toast of [...this.shown]) {
      for (const alert of toast.alerts.values()) if (isRead(alert)) toast.alerts.delete(alert.id);
      if (toast.alerts.size) paintAlarm(toast);
      else this.drop(toast);
    }
  }

  /** Nobody reads in a tab that is not seen. */
  isHeld() {
    return document.hidden;
  }
}

const isSame = (one, other) => one.rule === other.rule && one.subject === other.subject && one.id !== other.id;

/** What fires is told before what is over, and of that the worst. */
const rankOf = ({ severity, resolved_at: ended }) => (ended ? 0 : 3) + ["info", "warning", "error"].indexOf(severity);

function paintAlarm({ element, alerts }) {
  const [sign, body, close] = element.children;
  const [alert, ...more] = [...alerts.values()].reverse().sort((one, other) => rankOf(other) - rankOf(one));
  const isOver = Boolean(alert.resolved_at);
  const worst = alert.severity in SIGNS ? alert.severity : "info";
  const title = `${isOver ? "Over: " : ""}${clean(alert.message, SENTENCE)}`;
  setAttribute(element, "data-severity", isOver ? "over" : worst);
  setText(sign, isOver ? "✓" : SIGNS[worst]);
  setText(body.children[0], title);
  const facts = more.length ? `and ${pluralize(more.length, "more alert")}` : [clean(alert.rule), clean(alert.subject), alert.resolved_at ? describeTimes(alert) : ""].filter(Boolean).join(" · ");
  setText(body.children[1], facts);
  setAttribute(close, "aria-label", `Dismiss: ${title}`);
}
