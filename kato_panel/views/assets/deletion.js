/** Deleting sessions: asked back first, told afterwards, one result for each. */

import { SENTENCE, clean, isDate, nameNode, pluralize, shortenId, writeCount, writeLong } from "./words.js";
import { closeByEscape, findRefs, make, setHidden, setText } from "./markup.js";
import { NO_ANSWER, PATIENCE_SECONDS, secondsSince } from "./asking.js";

const MOST = 20;
const WORDS = { deleted: "deleted", not_found: "was gone already" };

const QUESTION = `<form method="dialog"><h2 id="h-question" data-ref="title"></h2><p class="quiet" role="status" data-ref="done"></p>
  <ul data-ref="list" aria-labelledby="h-question"></ul><p class="sub" data-ref="note"></p><div class="warning" data-ref="unrecorded" hidden></div>
  <label class="field" data-ref="typing" hidden><span data-ref="ask"></span> <input type="text" inputmode="numeric" autocomplete="off" data-ref="number"></label>
  <div class="answers"><button type="button" class="plain" data-ref="no">Keep</button><button type="button" class="danger solid" data-ref="yes"></button></div></form>`;

export class Deletion {
  /** `order` is handed ids, and gives the order's number. */
  constructor({ question }, order) {
    this.question = question;
    this.order = order;
    this.orders = new Map(); // by number: those without an answer
    this.untold = []; // what went wrong while the question was closed
    this.shown = null; // the number of the order whose fate is shown
    question.innerHTML = QUESTION; // only ever the constant above
    this.refs = findRefs(question);
    this.refs.no.addEventListener("click", () => question.close());
    closeByEscape(question);
    this.refs.yes.addEventListener("click", () => this.send());
    this.refs.number.addEventListener("input", () => this.paint());
    question.addEventListener("close", () => (this.shown = null));
    question.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Ask back; `now` is the server's time in milliseconds, for the ages. */
  confirm(rows, actions, now) {
    if (!actions?.allowed || !rows.length) return;
    const { refs } = this;
    Object.assign(this, { rows, stage: "asking", shown: null });
    const isOne = rows.length === 1;
    const isTooMany = rows.length > MOST;
    setText(refs.title, isOne ? "Delete this session?" : `Delete ${pluralize(rows.length, "session")}?`);
    setText(refs.done, "");
    const items = rows.slice(0, MOST).map((row) => describe(row, now));
    if (isTooMany) items.push(writeItem("", `and ${writeCount(rows.length - MOST)} more`));
    setText(refs.note, isTooMany ? `At most ${MOST} can be deleted at once; ${writeCount(rows.length)} are selected.` : `KATO ends ${isOne ? "it" : "them"} at once. This cannot be undone.`);
    setText(refs.unrecorded, `No record of this will be kept: ${clean(actions.unrecorded, SENTENCE)}.`);
    setHidden(refs.unrecorded, !actions.unrecorded || isTooMany);
    setHidden(refs.typing, isOne || isTooMany);
    setText(refs.ask, `Type ${rows.length} to go on:`);
    refs.number.value = "";
    setText(refs.no, "Keep");
    setText(refs.yes, isOne ? "Delete" : `Delete ${rows.length}`);
    this.show(items);
    (refs.typing.hidden ? refs.no : refs.number).focus();
  }

  show(items) {
    const { list } = this.refs;
    list.replaceChildren(...items);
    this.paint();
    if (!this.question.open) this.question.showModal();
    list.scrollTop = 0;
    if (list.scrollHeight > list.clientHeight) list.tabIndex = 0; // so that keys can scroll it
    else list.removeAttribute("tabindex");
  }

  paint() {
    const { refs, rows, stage } = this;
    const isMeant = stage === "asking" && (rows.length === 1 || refs.number.value.trim() === String(rows.length));
    refs.yes.disabled = !isMeant;
    setHidden(refs.yes, stage === "told" || rows.length > MOST);
  }

  send() {
    const { refs, rows } = this;
    this.stage = "sending";
    this.paint();
    setText(refs.yes, "Deleting…");
    setText(refs.no, "Close"); // what was ordered cannot be kept any more
    this.shown = this.order(rows.map((row) => row.session_id));
    this.orders.set(this.shown, { rows, at: performance.now(), isOverdue: false });
  }

  /** Say whether an answer is one that is waited for. */
  awaits(text) {
    return this.orders.has(JSON.parse(text).id);
  }

  /** Tell what became of each; return the outcomes. */
  take(text) {
    const { id, outcomes: told = [], error } = JSON.parse(text);
    const outcomes = told.map((outcome) => ({ ...outcome, is_gone: outcome.result !== "failed" }));
    const order = this.orders.get(id);
    if (!order) return outcomes;
    this.orders.delete(id);
    this.untold = this.untold.filter((fate) => fate.id !== id);
    const gone = outcomes.filter((outcome) => outcome.is_gone).length;
    const nodes = new Map(order.rows.map((row) => [row.session_id, row.node_id]));
    const items = outcomes.map(({ session_id: who, result, reason }) =>
      writeItem(nodes.get(who), result === "failed" ? `failed: ${clean(reason, SENTENCE)}` : WORDS[result] ?? clean(result), who));
    const title = error ? "Nothing was deleted" : `${gone} of ${pluralize(outcomes.length, "session")} gone`;
    const hasFailed = Boolean(error) || gone < outcomes.length;
    if (!hasFailed && gone === 1 && this.shown === id && !order.isOverdue) this.question.close();
    else this.tell({ id, title, items, note: clean(error, SENTENCE), hasFailed });
    return outcomes;
  }

  /** Lose patience with what is not answered, and tell what could not be told before. */
  tick() {
    for (const [id, order] of this.orders) {
      if (order.isOverdue || secondsSince(order.at) <= PATIENCE_SECONDS) continue;
      order.isOverdue = true;
      const items = order.rows.map((row) => writeItem(row.node_id, "no answer", row.session_id));
      const who = order.rows.length === 1 ? "It" : "They";
      this.tell({ id, title: "No answer", items, note: `${NO_ANSWER} ${who} may have been deleted all the same: the list will tell.`, hasFailed: true });
    }
    if (this.untold.length && !this.question.open) this.showFate(this.untold.shift());
  }

  /** Show an order's fate where its question is still open; what failed is told in any case. */
  tell(fate) {
    if (this.shown === fate.id) this.showFate(fate);
    else if (fate.hasFailed) this.untold.push(fate);
  }

  showFate({ id, title, items, note }) {
    const { refs } = this;
    Object.assign(this, { rows: [], stage: "told", shown: id });
    setText(refs.title, title);
    setText(refs.done, title);
    setText(refs.note, note);
    setHidden(refs.unrecorded, true);
    setHidden(refs.typing, true);
    setText(refs.no, "Close");
    this.show(items);
    refs.no.focus(); // the button that had it is gone
  }
}

function describe({ node_id: node, session_id: id, created_at: created }, now) {
  const age = isDate(created) ? `${writeLong((now - new Date(created).getTime()) / 1_000)} old` : "age not known";
  return writeItem(node, age, id);
}

function writeItem(node, words, id = null) {
  const item = make("li", "");
  if (id !== null) {
    const who = make("b", "");
    const name = make("bdi", "");
    name.textContent = nameNode(node, "node not known");
    who.append(name);
    const code = make("code", "");
    code.textContent = shortenId(id);
    item.append(who, code);
  }
  const text = make("span", "key");
  text.textContent = words;
  item.append(text);
  return item;
}
