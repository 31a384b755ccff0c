/** One session in a drawer: its value, its time left, and what is known of its life. */

import { SENTENCE, clean, isDate, isNumber, nameNode, pluralize, readFromAddress, setInAddress, writeCount, writeDay, writeLong, writeTime } from "./words.js";
import { icon } from "./pictogram.js";
import { closeByEscape, findRefs, make, setHidden, setText } from "./markup.js";
import { NO_ANSWER, PATIENCE_SECONDS, REFRESH_SECONDS, secondsSince, serverTime } from "./asking.js";
import { Tree } from "./tree.js";

const SESSION_KEY = "session";
const ID = /^session-[0-9a-f]{32}-\d{10,16}$/;

const DRAWER = `<div class="hd"><h2 id="h-detail">Session</h2><span class="key" data-ref="asOf"></span><span class="sp"></span>
  <button class="danger" type="button" data-ref="remove" hidden>Delete…</button>
  <button class="icon" type="button" data-ref="close" aria-label="Close">${icon("M6 6l12 12M18 6 6 18")}</button></div>
  <p class="id"><code data-ref="id"></code></p>
  <p class="failure" data-ref="failure" role="alert" hidden></p>
  <p class="ended" data-ref="ended" role="status"></p>
  <div class="warning" data-ref="warning" hidden><p data-ref="warningText"></p><button type="button" class="plain" data-ref="touch">Read it once</button></div>
  <p class="key" data-ref="waiting">Reading…</p>
  <p class="sub" data-ref="note" hidden></p>
  <div data-ref="content" hidden>
    <dl data-ref="facts"></dl>
    <h3>Timeline</h3><ol class="timeline" data-ref="timeline"></ol>
    <h3>Short-term memory</h3><div class="tree" data-ref="stm"></div>
    <h3>Metadata</h3><div class="tree" data-ref="metadata"></div>
    <h3>Everything else</h3><div class="tree" data-ref="rest"></div>
  </div>`;

export class Detail {
  /** `ask` is handed a question and gives its number; `confirm` is handed rows, actions and the server's time. */
  constructor({ drawer }, ask, confirm) {
    this.drawer = drawer;
    this.ask = ask;
    drawer.innerHTML = DRAWER; // only ever the constant above
    this.refs = findRefs(drawer);
    this.trees = { stm: new Tree(this.refs.stm, 0), metadata: new Tree(this.refs.metadata, 1), rest: new Tree(this.refs.rest, 0) };
    this.refs.close.addEventListener("click", () => drawer.close());
    closeByEscape(drawer);
    this.refs.touch.addEventListener("click", () => this.begin(true));
    this.refs.remove.addEventListener("click", () => this.found && confirm([this.row], this.found.actions, this.now()));
    drawer.addEventListener("pointerdown", ({ clientX }) => clientX < drawer.getBoundingClientRect().left && drawer.close());
    drawer.addEventListener("close", () => {
      Object.assign(this, { id: null, asked: null });
      setInAddress({ [SESSION_KEY]: null });
    });
  }

  /** Show the session that the address names, or none. */
  follow() {
    const named = readFromAddress(SESSION_KEY);
    if (named && ID.test(named)) this.open(named);
    else if (this.drawer.open) this.drawer.close();
  }

  open(id) {
    if (this.id === id) return;
    this.id = id;
    setInAddress({ [SESSION_KEY]: id }, { isStep: readFromAddress(SESSION_KEY) === null });
    setText(this.refs.id, id);
    this.begin(false);
    if (!this.drawer.open) this.drawer.showModal();
  }

  /** Close, if this is the session that is shown. */
  leave(id) {
    if (this.id === id) this.drawer.close();
  }

  /** Read the session anew, without what was shown before. */
  begin(mayTouch) {
    const { refs } = this;
    Object.assign(this, { found: null, row: null, value: null, valueAt: null, repeats: false, endAsked: null });
    for (const part of [refs.failure, refs.warning, refs.content, refs.remove, refs.note]) setHidden(part, true);
    for (const text of [refs.asOf, refs.ended]) setText(text, "");
    for (const tree of Object.values(this.trees)) tree.clear();
    setHidden(refs.waiting, false);
    this.drawer.scrollTop = 0;
    this.load(mayTouch);
  }

  load(mayTouch) {
    this.asked = { id: this.ask({ session_id: this.id, may_touch: mayTouch }), at: performance.now(), mayTouch, isOverdue: false };
  }

  tick() {
    if (!this.drawer.open) return;
    if (this.asked) this.loseWith(this.asked);
    else if (this.repeats && (secondsSince(this.answeredAt) > REFRESH_SECONDS || this.isUp())) this.load(false);
    this.paintFacts();
  }

  /** Lose patience with a question: what moves a session's life is not asked again by itself. */
  loseWith(asked) {
    if (asked.isOverdue || secondsSince(asked.at) <= PATIENCE_SECONDS) return;
    const { refs } = this;
    asked.isOverdue = true;
    setHidden(refs.waiting, true);
    setText(refs.failure, asked.mayTouch ? `${NO_ANSWER} The session may have been read all the same.` : NO_ANSWER);
    setHidden(refs.failure, false);
    if (asked.mayTouch) setHidden(refs.warning, false);
    else this.load(false);
  }

  /** Say, once for each end that was told, whether that has come: an access may have moved it. */
  isUp() {
    const end = this.row?.expires_at;
    if (this.row?.is_gone || !isDate(end) || end === this.endAsked || new Date(end).getTime() > this.now()) return false;
    this.endAsked = end;
    return true;
  }

  /** The server's time, in milliseconds. */
  now() {
    return serverTime(this.found.at, this.takenAt);
  }

  take(text) {
    const found = JSON.parse(text);
    if (found.id !== this.asked?.id) return;
    const { refs } = this;
    const isLost = Boolean(found.is_unknown && this.found); // it was here, and even its record is gone
    this.repeats = !this.asked.mayTouch && !found.warning;
    Object.assign(this, { asked: null, answeredAt: performance.now() });
    setHidden(refs.waiting, true);
    setText(refs.failure, isLost ? "" : clean(found.error, SENTENCE));
    setHidden(refs.failure, !found.error || isLost);
    setHidden(refs.warning, !found.warning);
    if (found.warning) setText(refs.warningText, clean(found.warning, SENTENCE));
    if (found.reading) this.show(found);
    else if (isLost) this.row.is_gone = true;
    this.paintEnd();
    this.paintFacts();
  }

  show(found) {
    const { refs, trees } = this;
    const { row, value, trouble, is_cut: isCut } = found.reading;
    Object.assign(this, { found, takenAt: performance.now() });
    if (!row.is_gone) Object.assign(this, { row, value, valueAt: found.at });
    else this.row = { ...this.row, ...Object.fromEntries(Object.entries(row).filter(([, known]) => known !== null)) };
    setText(refs.asOf, `as of ${writeTime(found.at)}`);
    setHidden(refs.note, !(trouble || isCut || found.has_touched));
    setText(refs.note, [clean(trouble, SENTENCE), isCut && "The value is long: what is left out is marked.", found.has_touched && "KATO's own read has given this session its whole time to live again."].filter(Boolean).join(" "));
    const { scrollTop } = this.drawer;
    const { stm, metadata, ...rest } = this.value ?? {};
    trees.stm.show(stm);
    trees.metadata.show(metadata);
    trees.rest.show(this.value ? rest : undefined);
    this.paintTimeline(found.timeline);
    setHidden(refs.content, false);
    this.drawer.scrollTop = scrollTop;
  }

  /** What is gone stays as it was last seen, and says so. */
  paintEnd() {
    const { refs, row, found } = this;
    const isGone = Boolean(row?.is_gone);
    setText(refs.ended, !isGone ? "" : `This session is gone.${this.value ? ` Its value is shown as it was at ${writeTime(this.valueAt)}.` : ""}`);
    const mayRemove = Boolean(row && !isGone && found.actions?.allowed);
    if (!mayRemove && this.drawer.getRootNode().activeElement === refs.remove) refs.close.focus();
    setHidden(refs.remove, !mayRemove);
  }

  paintTimeline(marks) {
    const text = JSON.stringify(marks);
    if (text !== this.timelineText) this.refs.timeline.replaceChildren(...marks.map(writeMark));
    this.timelineText = text;
  }

  paintFacts() {
    const { row, found } = this;
    if (!row) return;
    const now = this.now();
    const since = (time) => (isDate(time) ? `${writeDay(time)} · ${writeLong((now - new Date(time).getTime()) / 1_000)} ago` : "—");
    const facts = {
      Node: nameNode(row.node_id),
      Created: since(row.created_at),
      "Last access": since(row.last_accessed),
      "Time left": writeLeft(row, now, found.source),
      STM: isNumber(row.stm_length) ? pluralize(row.stm_length, "event") : "—",
      Accesses: isNumber(row.access_count) ? writeCount(row.access_count) : "—",
    };
    const { facts: list } = this.refs;
    for (const [place, [name, text]] of Object.entries(facts).entries()) {
      if (list.children.length <= 2 * place) list.append(make("dt", ""), make("dd", ""));
      setText(list.children[2 * place], name);
      setText(list.children[2 * place + 1], text);
    }
  }
}

function writeLeft({ is_gone: isGone, expires_at: expires, ttl_seconds: ttl }, now, source) {
  if (isGone) return "ended";
  if (!isDate(expires)) return "—";
  const left = (new Date(expires).getTime() - now) / 1_000;
  if (left > 0) return `${writeLong(left)}${isNumber(ttl) ? ` of ${writeLong(ttl)}` : ""}`;
  return source === "redis" ? "about to end" : "over, unless somebody accessed it since";
}

const MARKS_OF = { created: "created", accessed: "last access", seen: "last seen", expires: "ends, if nobody accesses it", ended: "ended" };
const KNOWN_BY = { "key event": "told by a key event", stream: "told by KATO's stream", scan: "known from a scan", value: "its value says so" };

function writeMark({ what, earliest, latest, how, reason }) {
  const item = make("li", "");
  const time = make("time", "");
  time.textContent = earliest === latest ? writeDay(earliest) : `${writeDay(earliest)} – ${writeDay(latest)}`;
  const words = make("span", "");
  words.textContent = what === "ended" && reason !== "unknown" ? clean(reason) : MARKS_OF[what] ?? clean(what);
  const source = make("span", "key");
  source.textContent = how ? KNOWN_BY[how] ?? clean(how) : "";
  item.append(time, words, source);
  return item;
}
