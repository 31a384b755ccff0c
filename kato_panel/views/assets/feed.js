import { clean, countOf, day, describeNames, isCreated, isDate, isNumber, isReduced, nameEnding, pluralize, readFromAddress, setInAddress, writeCount, writeDay, writeSpan, writeTime, zoneName } from "./words.js";
import { PAUSE_ICON, PLAY_ICON, ROW, make, setAttribute, setHidden, setText, slideIn } from "./markup.js";

const FEED_ROWS = 5_000;
const ROW_PX = 37;
const NEAR_END_PX = 400; // from where on older events are asked for
const FILTER_KEY = "events";
const NOTHING = {
  all: "No session has come or gone since you opened this page.",
  made: "No session has been created since you opened this page.",
  gone: "No session has ended since you opened this page.",
};

/** The feed: newest on top, and what is being read stays where it is. */
export class Feed {
  /** `askOlder(seq)` asks for the events before that number; they come by `takeOlder`. */
  constructor(refs, isPage, askOlder) {
    this.askOlder = askOlder;
    this.oldestAsked = Infinity;
    this.refs = refs;
    this.isPage = isPage;
    this.list = refs.feed;
    this.entries = []; // oldest first, at most FEED_ROWS: {seq, epoch, row, isHeld, isUnread}
    this.bySeq = new Map(); // of the epoch that is current
    this.epoch = null;
    this.newestSeq = -1;
    this.gaps = new Map(); // by when they began: since and until in ms, and whether they are shown
    this.isPaused = false;
    refs.pause.innerHTML = PAUSE_ICON;
    refs.zone.textContent = zoneName;
    refs.pause.addEventListener("click", () => this.togglePause());
    for (const chip of refs.chips.children) chip.addEventListener("click", () => this.filter(chip.dataset.show));
    this.filter(isPage ? readFilter() : "all");
    refs.fresh.addEventListener("click", () => this.bringUp());
    this.list.addEventListener("scroll", () => this.noteScroll(), { passive: true });
  }

  /** Merge a payload's events by number; return those not seen before. */
  take({ epoch, events, backlog_until: backlogUntil }) {
    if (epoch !== this.epoch) {
      this.bySeq.clear(); // a new server counts from the start again; rows that stand are still true
      Object.assign(this, { epoch, newestSeq: -1, oldestAsked: Infinity });
    }
    const fresh = [];
    for (const event of events) {
      const known = this.bySeq.get(event.seq);
      if (known) fillRow(known.row, event);
      else if (event.seq > this.newestSeq || event.seq > this.entries[0]?.seq) {
        // Events are numbered without holes: what lies between was too much for this page.
        const missing = this.newestSeq < 0 ? 0 : event.seq - this.newestSeq - 1;
        if (missing > 0) this.insert({ seq: event.seq - 1, row: makeNote(`${pluralize(missing, "event")} not shown`) });
        fresh.push(event);
        this.insert(this.makeEntry(event));
        this.newestSeq = Math.max(this.newestSeq, event.seq);
      }
    }
    this.newestSeq = Math.max(this.newestSeq, backlogUntil); // what comes next is known, even on an empty feed
    return fresh;
  }

  makeEntry(event) {
    const entry = { seq: event.seq, at: Date.parse(event.timestamp), epoch: this.epoch, row: make("li", "", ROW) };
    fillRow(entry.row, event);
    this.bySeq.set(event.seq, entry);
    return entry;
  }

  /** Append what came before all that is here, newest first. */
  takeOlder(events) {
    for (const event of events) {
      if (this.entries.length >= FEED_ROWS || this.bySeq.has(event.seq)) continue;
      const entry = this.makeEntry(event);
      this.entries.unshift(entry);
      this.list.append(entry.row);
    }
    this.showGaps();
    this.noteScroll(); // where few of them are of the kind that is shown, there is still room
  }

  /** Say when nobody could look, between the events of before and after. */
  takeGaps(gaps) {
    for (const [began, ended] of gaps) {
      if (this.gaps.has(began) || !isDate(began) || !isDate(ended)) continue;
      this.gaps.set(began, { since: Date.parse(began), until: Date.parse(ended), isShown: false });
    }
    this.showGaps();
  }

  showGaps() {
    const current = this.entries.filter(({ epoch, at }) => epoch === this.epoch && at !== undefined);
    const isWhole = !current.length || current[0].seq <= 1;
    for (const gap of this.gaps.values()) {
      if (gap.isShown || (!isWhole && gap.until < current[0].at)) continue; // with what is older, later
      gap.isShown = true;
      const after = current.find(({ at }) => at > gap.since); // found at its end, if not later
      const seq = after ? after.seq - 0.5 : Math.max(0, this.newestSeq) + 0.5;
      const text = `not observed ${writeDay(gap.since)} – ${writeTime(gap.until)}`;
      this.insert({ seq, row: makeNote(text), isKnown: true });
    }
  }

  insert(entry) {
    const isReading = this.readTop() > 8;
    Object.assign(entry, { epoch: this.epoch, isHeld: this.isPaused, isUnread: !entry.isKnown && (this.isPaused || isReading) });
    let at = this.entries.length;
    while (at > 0 && this.entries[at - 1].epoch === this.epoch && this.entries[at - 1].seq > entry.seq) at -= 1;
    this.entries.splice(at, 0, entry);
    if (!entry.isHeld) this.show(entry);
    while (this.entries.length > FEED_ROWS) {
      const oldest = this.entries.shift();
      oldest.row.remove();
      if (this.bySeq.get(oldest.seq) === oldest) this.bySeq.delete(oldest.seq);
    }
    this.paintUnread();
  }

  /** Where the list is scrolled to; in a tab that is not shown, where it was. */
  readTop() {
    return this.list.clientHeight ? this.list.scrollTop : this.top ?? 0;
  }

  /** The list is seen again: go back to what was being read. */
  comeBack() {
    this.list.scrollTop = this.top ?? 0;
  }

  show(entry) {
    entry.isHeld = false;
    const older = this.entries.slice(0, this.entries.indexOf(entry)).findLast((other) => !other.isHeld);
    const top = this.readTop();
    this.list.insertBefore(entry.row, older?.row ?? null);
    if (top > 8) this.list.scrollTop = this.top = top + (entry.row.offsetHeight || ROW_PX);
    else slideIn(entry.row, "translateY(-8px)");
  }

  bringUp() {
    for (const entry of this.entries) if (entry.isHeld) this.show(entry);
    this.markRead();
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

  /** Show all events, or one kind; a page's address remembers which. */
  filter(kind) {
    this.list.dataset.show = kind;
    for (const chip of this.refs.chips.children) setAttribute(chip, "aria-pressed", String(chip.dataset.show === kind));
    this.paintUnread();
    this.noteScroll();
    if (!this.isPage) return; // the address of a notebook is not ours
    setInAddress({ [FILTER_KEY]: kind === "all" ? null : kind });
  }

  isOfKind({ row }) {
    const { show } = this.list.dataset;
    return show === "all" || row.classList.contains(`${show}-row`);
  }

  noteScroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.list;
    if (!clientHeight) return; // another tab is shown
    this.top = scrollTop;
    const oldest = Math.ceil(this.entries.find(({ epoch }) => epoch === this.epoch)?.seq ?? 0);
    if (scrollHeight - scrollTop - clientHeight < NEAR_END_PX && oldest > 1 && oldest < this.oldestAsked) {
      this.oldestAsked = oldest;
      this.askOlder(oldest);
    }
    if (this.list.scrollTop <= 8 && !this.entries.some((entry) => entry.isHeld)) this.markRead();
  }

  markRead() {
    for (const entry of this.entries) entry.isUnread = false;
    this.paintUnread();
  }

  paintUnread() {
    const unread = this.entries.filter((entry) => entry.isUnread && this.isOfKind(entry)).length;
    setHidden(this.refs.fresh, unread === 0);
    if (unread) setText(this.refs.fresh, `${unread} new ↑`);
  }

  paintEmpty(isStarting, reason) {
    setText(this.refs.empty, isStarting ? reason : NOTHING[this.list.dataset.show]);
    setHidden(this.refs.nothing, this.entries.some((entry) => !entry.isHeld && this.isOfKind(entry)));
  }
}

const readFilter = () => ["made", "gone"].find((kind) => kind === readFromAddress(FILTER_KEY)) ?? "all";

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
  const nodes = describeNames(data, count);
  const what = `${writeCount(count)} ${created ? "created" : nameEnding(data.reason)}`;
  const gapText = isNumber(data.after_gap_seconds) ? `after ${writeSpan(data.after_gap_seconds, ["s", "min", "h"])} gap` : "";
  setAttribute(row, "class", created ? "made-row" : "gone-row");
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
