/**
 * The list of sessions: one page of it at a time, sorted and searched by the server.
 *
 * The page asks by `model.query` (JSON text) and is answered by `model.answer`; an answer to an
 * older question is passed over. Rows are kept by id, so scroll and selection survive a refresh.
 */

import { SENTENCE, clean, isDate, nameNode, pluralize, readFromAddress, setInAddress, writeCount, writeLong, writeTime } from "./words.js";
import { arrange, findRefs, make, setAttribute, setHidden, setText } from "./markup.js";
import { followHost, isHostDark } from "./theme.js";
import { NO_ANSWER, PATIENCE_SECONDS, REFRESH_SECONDS, asking, isDueAgain, secondsSince, serverTime, wordsOf } from "./asking.js";
import { copyText } from "./copy.js";
import { CELLS, buildList, paintTimes } from "./table.js";
import { Detail } from "./detail.js";
import { Deletion } from "./deletion.js";

const SEARCH_SECONDS = 0.3;
const SAID_SECONDS = 2.5;
const ADVICE_SECONDS = 30; // for who has to copy by hand
const FORGET_SECONDS = 60; // a view that was taken away may come back
const LIMITS = [20, 50, 100];
const FIRST_QUERY = { search: "", node: "", sort: "created", order: "desc", skip: 0, limit: 50 };
const WORDS_OF = { sort: ["created", "expires", "node", "session"], order: ["desc", "asc"] };
const REMEMBERED = ["search", "node", "sort", "order"];

class SessionList {
  constructor() {
    this.root = make("div", "kato sessions", buildList(LIMITS));
    this.refs = findRefs(this.root);
    this.lines = new Map(); // by session id: the row, and where it is shown
    this.selected = new Map(); // by session id: the row
    this.answer = null;
    this.asked = null; // {id, at} while an answer is awaited
    this.lastId = Date.now(); // so that no question is one that a view before it has asked
    this.query = readQuery();
    this.detail = new Detail(this.refs, (wanted) => this.ask("wanted", wanted), (rows, actions, now) => this.deletion.confirm(rows, actions, now));
    this.deletion = new Deletion(this.refs, (ids) => this.ask("order", { session_ids: ids }));
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
    model.on("remove", whileAlive(() => {
      this.life.abort();
      setTimeout(() => signal === this.life.signal && lists.delete(model.key), FORGET_SECONDS * 1_000);
    }));
    const timer = setInterval(() => this.tick(), 1_000);
    signal.addEventListener("abort", () => clearInterval(timer));
    followHost(() => this.paintTheme(), signal);
    window.addEventListener("popstate", () => this.root.checkVisibility() && this.detail.follow(), { signal });
    this.paintTheme();
    if (model.answer) this.take(model.answer, true);
    if (model.outcome && this.deletion.awaits(model.outcome)) this.takeOutcome(model.outcome);
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
      delay.timer = setTimeout(() => this.change({ search: refs.search.value.trim() }), SEARCH_SECONDS * 1_000);
    });
    refs.node.addEventListener("change", () => this.change({ node: refs.node.value }));
    refs.limit.addEventListener("change", () => this.change({ limit: Number(refs.limit.value) }));
    refs.refresh.addEventListener("click", () => this.load());
    refs.previous.addEventListener("click", () => this.turn(-1));
    refs.next.addEventListener("click", () => this.turn(1));
    refs.all.addEventListener("change", () => this.selectAll(refs.all.checked));
    refs.remove.addEventListener("click", () => this.deletion.confirm([...this.selected.values()], this.answer?.actions, this.now()));
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
    this.asked = asking((this.lastId += 1));
    this.model.query = wordsOf(this.asked, this.query);
    this.paintHead();
  }

  /** Ask or order by one of the model's properties; give the number. */
  ask(property, wanted) {
    // Numbered, for the same session may be wanted twice, and what stays the same is not sent.
    const id = (this.lastId += 1);
    this.model[property] = JSON.stringify({ id, ...wanted });
    return id;
  }

  /** The server's time, in milliseconds. */
  now() {
    return serverTime(this.answer.at, this.takenAt);
  }

  tick() {
    if (document.hidden || !this.root.isConnected || !this.root.checkVisibility?.()) return;
    const isOverdue = this.asked && secondsSince(this.asked.at) > PATIENCE_SECONDS;
    if (isOverdue) this.failure = NO_ANSWER;
    if (isOverdue || (!this.asked && secondsSince(this.answeredAt ?? 0) > REFRESH_SECONDS)) this.load();
    else if (this.asked && isDueAgain(this.asked)) this.model.query = wordsOf(this.asked, this.query);
    this.paintHead();
    this.paintAges();
    this.detail.tick();
    this.deletion.tick();
  }

  take(text, isOld = false) {
    const answer = JSON.parse(text);
    if (!isOld && answer.id !== this.asked?.id) return;
    this.asked = null;
    this.answeredAt = performance.now();
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
    for (const [id, line] of this.lines) if (!wanted.has(id)) this.lines.delete(id) && line.element.remove();
    for (const row of rows) {
      const id = row.session_id;
      if (!this.lines.has(id)) this.lines.set(id, this.makeLine(id));
      const line = this.lines.get(id);
      line.row = row;
      if (this.selected.has(id)) this.selected.set(id, row);
      for (const [name, write] of Object.entries(CELLS)) write(line.cells[name], row);
    }
    arrange(refs.rows, rows.map(({ session_id: id }) => this.lines.get(id).element));
    for (const id of this.selected.keys()) if (!wanted.has(id) && !this.mayKeep(id)) this.selected.delete(id);
    this.paintSelection();
  }

  /** What was selected on another page stays selected, until it is known to be gone. */
  mayKeep(id) {
    const ended = this.selected.get(id)?.expires_at;
    return !isDate(ended) || new Date(ended).getTime() > this.now() - 60_000;
  }

  makeLine(id) {
    const element = this.refs.row.content.firstElementChild.cloneNode(true);
    const cells = Object.fromEntries([...element.children].map((cell) => [cell.dataset.cell, cell]));
    const line = { element, cells, row: null };
    element.addEventListener("click", (event) => event.target.closest("button, input, label") || this.detail.open(id));
    cells.session.querySelector("[data-open]").addEventListener("click", () => this.detail.open(id));
    cells.session.querySelector("[data-copy]").addEventListener("click", ({ currentTarget }) => this.copy(id, currentTarget));
    cells.pick.querySelector("input").addEventListener("change", ({ currentTarget }) => {
      if (currentTarget.checked) this.selected.set(id, line.row);
      else this.selected.delete(id);
      this.paintSelection();
    });
    return line;
  }

  async copy(id, button) {
    const isCopied = await copyText(id);
    button.focus({ preventScroll: true }); // which the copying may have taken away
    button.classList.toggle("done", isCopied);
    const { refs } = this;
    setText(refs.said, isCopied ? "copied" : "could not be copied: select it and copy it by hand");
    setText(refs.saidId, isCopied ? "" : id);
    setHidden(refs.saidId, isCopied);
    clearTimeout(this.saidTimer);
    this.saidTimer = setTimeout(() => {
      for (const text of [refs.said, refs.saidId]) setText(text, "");
      button.classList.remove("done");
    }, (isCopied ? SAID_SECONDS : ADVICE_SECONDS) * 1_000);
  }

  selectAll(isWanted) {
    for (const [id, { row }] of this.lines) {
      if (isWanted) this.selected.set(id, row);
      else this.selected.delete(id);
    }
    this.paintSelection();
  }

  paintSelection() {
    const { refs, answer } = this;
    const mayAct = Boolean(answer?.actions?.allowed);
    this.root.classList.toggle("acts", mayAct);
    const picked = [...this.lines.keys()].filter((id) => this.selected.has(id)).length;
    for (const [id, { element, cells }] of this.lines) {
      cells.pick.querySelector("input").checked = this.selected.has(id);
      setAttribute(element, "aria-selected", String(this.selected.has(id)));
    }
    refs.all.checked = picked > 0 && picked === this.lines.size;
    refs.all.indeterminate = picked > 0 && picked < this.lines.size;
    setHidden(refs.remove, !mayAct || this.selected.size === 0);
    setText(refs.remove, `Delete ${pluralize(this.selected.size, "session")}…`);
  }

  paintNodes(nodes = []) {
    const { node } = this.refs;
    const wanted = [["", "All nodes"], ...nodes.map(([name, count]) => [name, `${nameNode(name)} (${writeCount(count)})`])];
    if (this.query.node && !wanted.some(([name]) => name === this.query.node)) wanted.push([this.query.node, nameNode(this.query.node)]);
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
    refs.previous.disabled = !answer || answer.skip === 0;
    refs.next.disabled = !answer || answer.skip + shown >= total;
    refs.limit.value = String(query.limit);
    setHidden(refs.incomplete, !answer || answer.complete);
    setHidden(refs.failure, !failure);
    if (failure) setText(refs.failure, `${clean(failure, SENTENCE)}${answer ? ` What is shown is from ${writeTime(answer.at)}.` : ""}`);
    this.root.classList.toggle("old", Boolean(failure));
    const age = answer && isDate(answer.at) ? secondsSince(this.takenAt) : null;
    setText(refs.age, failure ? "" : this.asked && secondsSince(this.asked.at) > 0.5 ? "asking…" : age === null ? "" : age < 1 ? "refreshed now" : `refreshed ${writeLong(age)} ago`);
    setHidden(refs.nothing, !answer ? Boolean(failure) : shown > 0);
    setText(refs.nothingWhy, !answer ? "Reading the sessions…" : query.search || query.node ? "No session matches." : "No session is open.");
    setHidden(refs.table, shown === 0);
    for (const button of refs.head.querySelectorAll("button[data-sort]")) {
      const isSorted = button.dataset.sort === query.sort;
      setAttribute(button.parentElement, "aria-sort", !isSorted ? "none" : query.order === "desc" ? "descending" : "ascending");
    }
  }

  paintAges() {
    if (!this.answer) return;
    const now = this.now();
    for (const { cells, row } of this.lines.values()) paintTimes(cells, row, now);
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
