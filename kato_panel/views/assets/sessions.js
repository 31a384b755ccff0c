/**
 * The list of sessions: one page of it at a time, sorted and searched by the server.
 *
 * The page asks by `model.query` (JSON text) and is answered by `model.answer`; an answer to an
 * older question is passed over. Rows are kept by id, so scroll and selection survive a refresh.
 */

import { SENTENCE, clean, isDate, isNumber, pluralize, readFromAddress, setInAddress, shortenId, writeCount, writeLong, writeTime } from "./words.js";
import { findRefs, make, setAttribute, setHidden, setText } from "./markup.js";
import { followHost, isHostDark } from "./theme.js";
import { CELLS, buildList } from "./table.js";
import { Detail } from "./detail.js";
import { Deletion } from "./deletion.js";

const REFRESH_MS = 10_000;
const PATIENCE_MS = 20_000; // for an answer, before the question is asked again
const SEARCH_MS = 300;
const LIMITS = [20, 50, 100];
const FIRST_QUERY = { search: "", node: "", sort: "created", order: "desc", skip: 0, limit: 50 };
const WORDS_OF = { sort: ["created", "expires", "node", "session"], order: ["desc", "asc"] };
const REMEMBERED = ["search", "node", "sort", "order"];

class SessionList {
  constructor() {
    this.root = make("div", "kato sessions", buildList(LIMITS));
    this.refs = findRefs(this.root);
    this.rows = new Map(); // by session id
    this.selected = new Map(); // by session id: the row's data
    this.answer = null;
    this.asked = null; // {id, at} while an answer is awaited
    this.lastId = 0;
    this.query = readQuery();
    this.detail = new Detail(this.refs, (wanted) => this.ask(wanted), (rows, mayAct) => this.deletion.confirm(rows, mayAct));
    this.deletion = new Deletion(this.refs, (order) => (this.model.order = JSON.stringify(order)));
    this.listen();
  }

  attach(model) {
    this.life?.abort();
    const { signal } = (this.life = new AbortController());
    const whileAlive = (act) => () => signal.aborted || act();
    this.model = model;
    model.on("answer", whileAlive(() => this.take(model.answer)));
    model.on("found", whileAlive(() => this.detail.take(model.found)));
    model.on("outcome", whileAlive(() => this.takeOutcome(model.outcome)));
    model.on("remove", whileAlive(() => this.life.abort()));
    const timer = setInterval(() => this.tick(), 1_000);
    signal.addEventListener("abort", () => clearInterval(timer));
    followHost(() => this.paintTheme(), signal);
    window.addEventListener("popstate", () => this.root.checkVisibility() && this.detail.follow(), { signal });
    this.paintTheme();
    if (model.answer) this.take(model.answer, true);
    this.load();
    whenShown(this.root, signal, () => this.detail.follow()); // a drawer opens only in a page
    return this.root;
  }

  listen() {
    const { refs } = this;
    const delay = { timer: null };
    refs.search.value = this.query.search;
    refs.search.addEventListener("input", () => {
      clearTimeout(delay.timer);
      delay.timer = setTimeout(() => this.change({ search: refs.search.value.trim() }), SEARCH_MS);
    });
    refs.node.addEventListener("change", () => this.change({ node: refs.node.value }));
    refs.limit.addEventListener("change", () => this.change({ limit: Number(refs.limit.value) }));
    refs.refresh.addEventListener("click", () => this.load());
    refs.earlier.addEventListener("click", () => this.turn(-1));
    refs.later.addEventListener("click", () => this.turn(1));
    refs.all.addEventListener("change", () => this.selectAll(refs.all.checked));
    refs.remove.addEventListener("click", () => this.deletion.confirm([...this.selected.values()]));
    for (const button of refs.head.querySelectorAll("button[data-sort]")) {
      button.addEventListener("click", () => {
        const { sort, order } = this.query;
        const isSame = sort === button.dataset.sort;
        this.change({ sort: button.dataset.sort, order: isSame && order === "desc" ? "asc" : "desc" });
      });
    }
  }

  /** Ask another question: from its first page on, unless it says otherwise. */
  change(changes) {
    this.query = { ...this.query, skip: 0, ...changes };
    const said = REMEMBERED.map((name) => [name === "search" ? "q" : name, this.query[name] === FIRST_QUERY[name] ? null : this.query[name]]);
    setInAddress(Object.fromEntries(said));
    this.load();
  }

  turn(pages) {
    const { skip, limit } = this.query;
    this.change({ skip: Math.max(0, skip + pages * limit) });
    this.refs.scroll.scrollTo({ top: 0 });
  }

  load() {
    this.asked = { id: (this.lastId += 1), at: performance.now() };
    this.model.query = JSON.stringify({ id: this.asked.id, ...this.query });
    this.paintHead();
  }

  ask(wanted) {
    // Numbered, for the same session may be wanted twice, and what stays the same is not sent.
    const id = (this.lastId += 1);
    this.model.wanted = JSON.stringify({ id, ...wanted });
    return id;
  }

  tick() {
    if (document.hidden || !this.root.isConnected || !this.root.checkVisibility?.()) return;
    const age = performance.now() - (this.asked?.at ?? this.askedAt ?? 0);
    if (this.asked && age > PATIENCE_MS) this.failure = "This page's server does not answer.";
    if (this.asked ? age > PATIENCE_MS : age > REFRESH_MS) this.load();
    this.paintHead();
    this.paintAges();
    this.detail.tick();
  }

  take(text, isOld = false) {
    const answer = JSON.parse(text);
    if (!isOld && answer.id !== this.asked?.id) return;
    this.asked = null;
    this.askedAt = performance.now();
    if (answer.error) this.failure = answer.error;
    else {
      this.takenAt = performance.now();
      this.failure = null;
      this.answer = answer;
      if (answer.total > 0 && answer.skip >= answer.total) return this.change({ skip: (Math.ceil(answer.total / answer.limit) - 1) * answer.limit });
      this.paintRows(answer.rows);
      this.paintNodes(answer.nodes);
    }
    this.paintHead();
    this.paintAges();
  }

  takeOutcome(text) {
    const outcomes = this.deletion.take(text);
    for (const { session_id: id, is_gone: isGone } of outcomes) {
      if (!isGone) continue;
      this.selected.delete(id);
      this.detail.leave(id);
    }
    this.load();
  }

  paintRows(rows) {
    const { refs } = this;
    const wanted = new Set(rows.map((row) => row.session_id));
    for (const [id, row] of this.rows) if (!wanted.has(id)) this.rows.delete(id) && row.element.remove();
    let before = null;
    for (const data of rows) {
      const id = data.session_id;
      if (!this.rows.has(id)) this.rows.set(id, this.makeRow(id));
      const row = this.rows.get(id);
      row.data = data;
      if (this.selected.has(id)) this.selected.set(id, data);
      for (const [name, write] of Object.entries(CELLS)) write(row.cells[name], data);
      const place = before ? before.nextElementSibling : refs.rows.firstElementChild;
      if (place !== row.element) refs.rows.insertBefore(row.element, place);
      before = row.element;
    }
    for (const id of this.selected.keys()) if (!wanted.has(id) && !this.mayKeep(id)) this.selected.delete(id);
    this.paintSelection();
  }

  /** What was selected on another page stays selected, until it is known to be gone. */
  mayKeep(id) {
    const ended = this.selected.get(id)?.expires_at;
    return !isDate(ended) || new Date(ended).getTime() > Date.now() - 60_000;
  }

  makeRow(id) {
    const element = this.refs.row.content.firstElementChild.cloneNode(true);
    const cells = Object.fromEntries([...element.children].map((cell) => [cell.dataset.cell, cell]));
    const row = { element, cells, data: null };
    element.addEventListener("click", (event) => event.target.closest("button, input, label") || this.detail.open(id));
    cells.session.querySelector("[data-open]").addEventListener("click", () => this.detail.open(id));
    cells.session.querySelector("[data-copy]").addEventListener("click", ({ currentTarget }) => copyText(id, currentTarget));
    cells.pick.querySelector("input").addEventListener("change", ({ currentTarget }) => {
      if (currentTarget.checked) this.selected.set(id, row.data);
      else this.selected.delete(id);
      this.paintSelection();
    });
    return row;
  }

  selectAll(isWanted) {
    for (const [id, { data }] of this.rows) {
      if (isWanted) this.selected.set(id, data);
      else this.selected.delete(id);
    }
    this.paintSelection();
  }

  paintSelection() {
    const { refs, answer } = this;
    const mayAct = Boolean(answer?.actions?.allowed);
    this.root.classList.toggle("acts", mayAct);
    this.deletion.mayAct = mayAct;
    const picked = [...this.rows.keys()].filter((id) => this.selected.has(id)).length;
    for (const [id, { element, cells }] of this.rows) {
      cells.pick.querySelector("input").checked = this.selected.has(id);
      setAttribute(element, "aria-selected", String(this.selected.has(id)));
    }
    refs.all.checked = picked > 0 && picked === this.rows.size;
    refs.all.indeterminate = picked > 0 && picked < this.rows.size;
    setHidden(refs.remove, !mayAct || this.selected.size === 0);
    setText(refs.remove, `Delete ${pluralize(this.selected.size, "session")}…`);
  }

  paintNodes(nodes = []) {
    const { node } = this.refs;
    const wanted = [["", "All nodes"], ...nodes.map(([name, count]) => [name, `${clean(name)} (${writeCount(count)})`])];
    if (this.query.node && !wanted.some(([name]) => name === this.query.node)) wanted.push([this.query.node, clean(this.query.node)]);
    const key = JSON.stringify(wanted);
    if (key !== this.nodesKey && this.root.getRootNode().activeElement !== node) {
      this.nodesKey = key;
      node.replaceChildren(...wanted.map(([name, text]) => {
        const option = make("option", "");
        option.value = name;
        option.textContent = text;
        return option;
      }));
    }
    node.value = this.query.node;
  }

  paintHead() {
    const { refs, answer, query, failure } = this;
    const total = answer?.total ?? null;
    const shown = answer?.rows.length ?? 0;
    setText(refs.total, total === null ? "" : `${pluralize(total, "session")}${query.search || query.node ? " found" : ""}`);
    setText(refs.range, shown ? `${writeCount(answer.skip + 1)}–${writeCount(answer.skip + shown)} of ${writeCount(total)}` : "");
    refs.earlier.disabled = !answer || answer.skip === 0;
    refs.later.disabled = !answer || answer.skip + shown >= total;
    refs.limit.value = String(query.limit);
    setHidden(refs.incomplete, !answer || answer.complete);
    setHidden(refs.failure, !failure);
    if (failure) setText(refs.failure, `${clean(failure, SENTENCE)}${answer ? ` What is shown is from ${writeTime(answer.at)}.` : ""}`);
    this.root.classList.toggle("old", Boolean(failure));
    const age = answer && isDate(answer.at) ? (performance.now() - this.takenAt) / 1_000 : null;
    setText(refs.age, failure ? "" : this.asked && performance.now() - this.asked.at > 500 ? "asking…" : age === null ? "" : age < 1 ? "refreshed now" : `refreshed ${writeLong(age)} ago`);
    setHidden(refs.nothing, !answer ? Boolean(failure) : shown > 0);
    setText(refs.nothingWhy, !answer ? "Reading the sessions…" : query.search || query.node ? "No session matches." : "No session is open.");
    setHidden(refs.table, shown === 0);
    for (const button of refs.head.querySelectorAll("button[data-sort]")) {
      const isSorted = button.dataset.sort === query.sort;
      setAttribute(button.parentElement, "aria-sort", !isSorted ? "none" : query.order === "desc" ? "descending" : "ascending");
    }
  }

  paintAges() {
    const { answer } = this;
    if (!answer) return;
    const now = new Date(answer.at).getTime() + performance.now() - this.takenAt;
    for (const { cells, data } of this.rows.values()) paintTimes(cells, data, now);
  }

  paintTheme() {
    this.root.dataset.theme = isHostDark() ? "dark" : "light";
  }
}

function whenShown(element, signal, act) {
  if (signal.aborted) return;
  if (element.isConnected) act();
  else requestAnimationFrame(() => whenShown(element, signal, act));
}

function paintTimes(cells, data, now) {
  const since = (time) => (isDate(time) ? Math.max(0, (now - new Date(time).getTime()) / 1_000) : null);
  setText(cells.age, writeLong(since(data.created_at)));
  const idle = since(data.last_accessed);
  setText(cells.access, idle === null ? "—" : writeLong(idle));
  paintLeft(cells.left, data, now);
}

/** Paint the time that is left as a bar of the whole time to live, and in words. */
export function paintLeft(cell, { expires_at: expires, ttl_seconds: ttl, is_gone: isGone }, now) {
  const [bar, text] = cell.firstElementChild.children;
  const left = isDate(expires) ? (new Date(expires).getTime() - now) / 1_000 : null;
  const share = left === null || !isNumber(ttl) || ttl <= 0 ? null : Math.min(1, Math.max(0, left / ttl));
  setHidden(bar, share === null);
  if (share !== null) bar.firstElementChild.style.width = `${(100 * share).toFixed(1)}%`;
  bar.classList.toggle("low", share !== null && share < 0.15);
  // Whoever accessed it since may have moved its end: only the next look can tell.
  setText(text, isGone ? "ended" : left === null ? "—" : left <= 0 ? "about to end" : writeLong(left));
}

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1_200);
  } catch {
    button.title = `This page may not copy: ${shortenId(text)}`; // as without https
  }
}

function readQuery() {
  const query = { ...FIRST_QUERY };
  for (const name of REMEMBERED) query[name] = readFromAddress(name === "search" ? "q" : name) ?? query[name];
  for (const [name, words] of Object.entries(WORDS_OF)) if (!words.includes(query[name])) query[name] = FIRST_QUERY[name];
  return query;
}

const lists = new Map();

export function render({ model }) {
  if (!lists.has(model.key)) lists.set(model.key, new SessionList());
  return lists.get(model.key).attach(model);
}
