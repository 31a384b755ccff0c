/** Which alerts whoever looks on has read: kept in this browser, by the alerts' ids. */

const READ_KEY = "kato-panel-read";
const READ_EVENT = "kato-panel-read";
const MOST_KEPT = 1_000;

export class ReadMarks {
  constructor(onChange) {
    this.onChange = onChange;
    this.ids = loadMarks();
  }

  attach(signal) {
    const follow = (event) => {
      if (event.key !== READ_KEY && event.type !== READ_EVENT) return;
      this.ids = loadMarks() ?? this.ids;
      this.onChange();
    };
    window.addEventListener("storage", follow, { signal }); // other pages, and
    window.addEventListener(READ_EVENT, follow, { signal }); // other parts of this one
  }

  /** Who looks on for the first time has nothing to catch up with: what is over counts as read. */
  begin(alerts) {
    if (this.ids === null) this.add(alerts.filter((alert) => alert.resolved_at));
  }

  has({ id }) {
    return this.ids?.has(id) ?? false;
  }

  add(alerts) {
    const kept = [...new Set([...(this.ids ?? []), ...alerts.map(({ id }) => id)])].slice(-MOST_KEPT);
    this.ids = new Set(kept);
    try {
      localStorage.setItem(READ_KEY, JSON.stringify(kept));
    } catch { /* it holds for this visit */ }
    window.dispatchEvent(new Event(READ_EVENT));
  }
}

function loadMarks() {
  try {
    const kept = JSON.parse(localStorage.getItem(READ_KEY));
    return Array.isArray(kept) ? new Set(kept.map(String)) : null;
  } catch {
    return null;
  }
}
