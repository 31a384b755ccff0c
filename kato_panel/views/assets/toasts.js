import { DEFAULTS, countOf, isCreated, isReduced, pluralize, writeCount, writeSpan } from "./words.js";
import { TOAST, make, setAttribute, setText, slideIn } from "./markup.js";

/** How many at a time: on a phone, where each is as wide as the page, one. */
export const countPlaces = () => (matchMedia("(max-width: 640px)").matches ? 1 : 3);

/** Toasts on top of one another, each for its time. */
export class Stack {
  constructor(box) {
    this.box = box;
    this.shown = []; // {element, left: ms}, and what is shown
    this.timer = null;
  }

  add(toast) {
    this.box.append(toast.element);
    this.shown.push(toast);
    toast.element.lastElementChild.addEventListener("click", () => this.dismiss(toast));
    slideIn(toast.element, "translateY(12px)");
    if (this.timer === null) this.run();
    return toast;
  }

  /** Count the toasts' time down, except while one of them is pointed at or has the focus. */
  run() {
    let before = performance.now();
    const canHover = matchMedia("(hover: hover)").matches; // a touch leaves :hover behind for good
    this.timer = setInterval(() => {
      const now = performance.now();
      const isHeld = this.isHeld() || this.box.matches(canHover ? ":hover, :focus-within" : ":focus-within");
      if (!isHeld) for (const toast of [...this.shown]) if ((toast.left -= now - before) <= 0) this.drop(toast);
      before = now;
      if (this.shown.length) return;
      clearInterval(this.timer);
      this.timer = null;
    }, 100);
  }

  isHeld() {
    return false;
  }

  dismiss(toast) {
    const at = this.shown.indexOf(toast);
    const hadKeyboard = toast.element.lastElementChild.matches(":focus-visible");
    this.drop(toast);
    const next = this.shown[Math.min(at, this.shown.length - 1)];
    if (hadKeyboard) next?.element.lastElementChild.focus();
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

/** Toasts of events: few at a time; what is more folds into the last one. */
export class Toasts extends Stack {
  constructor(box) {
    super(box);
    this.missed = []; // while the tab was hidden: the first few events, then
    this.missedTally = startTally(); // only their sums
    this.lifetime = DEFAULTS.toast_seconds * 1_000;
  }

  announce(events) {
    for (const event of events) {
      if (!document.hidden) this.show(event);
      else {
        addToTally(this.missedTally, event);
        if (this.missed.length < countPlaces()) this.missed.push(event);
      }
    }
  }

  tellMissed() {
    const { missed, missedTally } = this;
    this.missed = [];
    this.missedTally = startTally();
    if (missedTally.changes > missed.length) this.place(missedTally, { isFold: true, isAway: true });
    else for (const event of missed) this.show(event);
  }

  show(event) {
    this.place(addToTally(startTally(), event));
  }

  place(tally, { isFold = false, isAway = false } = {}) {
    let toast = this.shown.at(-1);
    if (this.shown.length >= countPlaces()) {
      mergeTally(toast.tally, tally);
      // Folding begins its time anew once; a fold that grows does not, or it would never go.
      if (!toast.isFold) Object.assign(toast, { isFold: true, left: this.lifetime });
    } else {
      toast = this.add({ element: make("div", "toast", TOAST), tally, isFold, isAway, left: this.lifetime });
    }
    paintToast(toast);
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
