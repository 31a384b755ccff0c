/** One session in a drawer: its value, its time left, and what is known of its life. */

import { SENTENCE, clean, isDate, isNumber, pluralize, readFromAddress, setInAddress, shortenId, writeCount, writeDay, writeLong } from "./words.js";
import { findRefs, icon, make, setHidden, setText } from "./markup.js";

const SESSION_KEY = "session";
const ID = /^session-[0-9a-f]{32}-\d{10,16}$/;
const MAX_ITEMS = 200; // of one list or object of a value that are shown
const TEXT_CHARACTERS = 2_000;

const DRAWER = `<div class="hd"><h2 id="h-detail">Session</h2><span class="sp"></span>
  <button class="danger" type="button" data-ref="remove" hidden>Delete…</button>
  <button class="icon" type="button" data-ref="close" aria-label="Close">${icon("M6 6l12 12M18 6 6 18")}</button></div>
  <p class="id"><code data-ref="id"></code></p>
  <p class="failure" data-ref="failure" role="alert" hidden></p>
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
  constructor({ drawer }, ask, confirm) {
    this.drawer = drawer;
    this.ask = ask;
    drawer.innerHTML = DRAWER; // only ever the constant above
    this.refs = findRefs(drawer);
    this.refs.close.addEventListener("click", () => drawer.close());
    this.refs.touch.addEventListener("click", () => this.load(true));
    this.refs.remove.addEventListener("click", () => this.found && confirm([this.row], this.found.actions.allowed));
    drawer.addEventListener("pointerdown", ({ clientX }) => clientX < drawer.getBoundingClientRect().left && drawer.close());
    drawer.addEventListener("close", () => {
      this.id = null;
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
    Object.assign(this, { id, found: null });
    setInAddress({ [SESSION_KEY]: id }, { isStep: readFromAddress(SESSION_KEY) === null });
    setText(this.refs.id, id);
    this.load(false);
    if (!this.drawer.open) this.drawer.showModal();
  }

  /** Close, if this is the session that is shown. */
  leave(id) {
    if (this.id === id) this.drawer.close();
  }

  load(mayTouch) {
    const { refs } = this;
    for (const part of [refs.failure, refs.warning, refs.content, refs.remove, refs.note]) setHidden(part, true);
    setHidden(refs.waiting, false);
    this.asked = this.ask({ session_id: this.id, may_touch: mayTouch });
  }

  take(text) {
    const found = JSON.parse(text);
    if (found.id !== this.asked) return;
    const { refs } = this;
    setHidden(refs.waiting, true);
    setHidden(refs.failure, !found.error);
    setText(refs.failure, clean(found.error, SENTENCE));
    setHidden(refs.warning, !found.warning);
    setText(refs.warningText, clean(found.warning, SENTENCE));
    setHidden(refs.content, !found.reading);
    if (!found.reading) return;
    const { row, value, trouble, is_cut: isCut } = found.reading;
    Object.assign(this, { found, row, takenAt: performance.now() });
    setHidden(refs.remove, !found.actions?.allowed || row.is_gone);
    setHidden(refs.note, !(trouble || isCut || found.has_touched));
    setText(refs.note, [clean(trouble, SENTENCE), isCut && "The value is long: what is left out is marked.", found.has_touched && "KATO's own read has given this session its whole time to live again."].filter(Boolean).join(" "));
    const { stm, metadata, ...rest } = value ?? {};
    refs.stm.replaceChildren(grow(stm, 0));
    refs.metadata.replaceChildren(grow(metadata, 1));
    refs.rest.replaceChildren(grow(value ? rest : undefined, 0));
    refs.timeline.replaceChildren(...found.timeline.map(writeMark));
    this.tick();
  }

  tick() {
    if (!this.drawer.open || !this.found) return;
    const { row, found: { at } } = this;
    const now = new Date(at).getTime() + performance.now() - this.takenAt;
    const since = (time) => (isDate(time) ? `${writeDay(time)} · ${writeLong((now - new Date(time).getTime()) / 1_000)} ago` : "—");
    const left = isDate(row.expires_at) ? (new Date(row.expires_at).getTime() - now) / 1_000 : null;
    const facts = {
      Node: clean(row.node_id) || "—",
      Created: since(row.created_at),
      "Last access": since(row.last_accessed),
      "Time left": row.is_gone ? "ended" : left === null ? "—" : left > 0 ? `${writeLong(left)}${isNumber(row.ttl_seconds) ? ` of ${writeLong(row.ttl_seconds)}` : ""}` : "about to end",
      STM: isNumber(row.stm_length) ? pluralize(row.stm_length, "event") : "—",
      Accesses: isNumber(row.access_count) ? writeCount(row.access_count) : "—",
    };
    const { facts: list } = this.refs;
    for (const [at2, [name, text]] of Object.entries(facts).entries()) {
      if (list.children.length <= 2 * at2) list.append(make("dt", ""), make("dd", ""));
      setText(list.children[2 * at2], name);
      setText(list.children[2 * at2 + 1], text);
    }
  }
}

const MARKS_OF = { created: "created", accessed: "last access", seen: "last seen", expires: "ends, if nobody accesses it", ended: "ended" };

function writeMark({ what, earliest, latest, how, reason }) {
  const item = make("li", "");
  const time = make("time", "");
  time.textContent = earliest === latest ? writeDay(earliest) : `${writeDay(earliest)} – ${writeDay(latest)}`;
  const words = make("span", "");
  words.textContent = what === "ended" && reason !== "unknown" ? clean(reason) : MARKS_OF[what] ?? clean(what);
  const source = make("span", "key");
  source.textContent = how ? `by ${clean(how)}` : "";
  item.append(time, words, source);
  return item;
}

/** Grow a tree of a JSON value; as many levels are open as `open` says. All of it is text. */
function grow(value, open) {
  if (value === undefined) return leaf("not known");
  if (value === null || typeof value !== "object") return leaf(typeof value === "string" ? bound(value) : JSON.stringify(value));
  const items = Array.isArray(value) ? value.map((item, at) => [String(at), item]) : Object.entries(value);
  if (!items.length) return leaf(Array.isArray(value) ? "empty list" : "nothing");
  const branch = make("ul", "");
  for (const [name, item] of items.slice(0, MAX_ITEMS)) branch.append(twig(name, item, open));
  if (items.length > MAX_ITEMS) {
    const more = make("li", "key");
    more.textContent = `and ${writeCount(items.length - MAX_ITEMS)} more`;
    branch.append(more);
  }
  return branch;
}

function twig(name, item, open) {
  const row = make("li", "");
  const label = make("bdi", "name");
  label.textContent = clean(name);
  if (item === null || typeof item !== "object" || !Object.keys(item).length) {
    row.append(label, grow(item, 0));
    return row;
  }
  const details = make("details", "");
  const summary = make("summary", "");
  const size = make("span", "key");
  size.textContent = pluralize(Object.keys(item).length, "item");
  summary.append(label, size);
  details.append(summary);
  const fill = () => details.childElementCount > 1 || details.append(grow(item, open - 1)); // deep ones when opened
  details.addEventListener("toggle", fill);
  if (open > 0) {
    details.open = true;
    fill();
  }
  row.append(details);
  return row;
}

function leaf(text) {
  const element = make("bdi", "leaf");
  element.textContent = text;
  return element;
}

function bound(text) {
  const sound = text.slice(0, TEXT_CHARACTERS).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\u00b7");
  return text.length > TEXT_CHARACTERS ? `${sound}… (${writeCount(text.length)} characters)` : sound;
}
