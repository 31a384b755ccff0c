/** Deleting sessions: asked back first, told afterwards, one result for each. */

import { SENTENCE, clean, isDate, pluralize, shortenId, writeLong } from "./words.js";
import { findRefs, make, setHidden, setText } from "./markup.js";

const MOST = 20;
const NAMED = 8;
const WORDS = { deleted: "deleted", not_found: "was gone already" };

const QUESTION = `<form method="dialog"><h2 id="h-question" data-ref="title"></h2><p class="quiet" role="status" data-ref="done"></p>
  <ul data-ref="list"></ul><p class="sub" data-ref="note">KATO ends them at once. This cannot be undone.</p>
  <label class="field" data-ref="typing" hidden><span data-ref="ask"></span> <input type="text" inputmode="numeric" autocomplete="off" data-ref="number"></label>
  <div class="answers"><button type="button" class="plain" data-ref="no">Keep</button><button type="button" class="danger solid" data-ref="yes"></button></div></form>`;

export class Deletion {
  /** `order` is handed `{id, session_ids}`. */
  constructor({ question }, order) {
    this.question = question;
    this.order = order;
    this.mayAct = false;
    this.lastId = 0;
    question.innerHTML = QUESTION; // only ever the constant above
    this.refs = findRefs(question);
    this.refs.no.addEventListener("click", () => question.close());
    this.refs.yes.addEventListener("click", () => this.send());
    this.refs.number.addEventListener("input", () => this.paint());
    question.addEventListener("submit", (event) => event.preventDefault());
  }

  confirm(rows, mayAct = this.mayAct) {
    if (!mayAct || !rows.length) return;
    const { refs } = this;
    Object.assign(this, { rows, isDone: false, isSending: false, asked: null });
    const isOne = rows.length === 1;
    setText(refs.title, isOne ? "Delete this session?" : `Delete ${pluralize(rows.length, "session")}?`);
    refs.list.replaceChildren(...rows.slice(0, NAMED).map(describe));
    if (rows.length > NAMED) {
      const more = make("li", "key");
      more.textContent = `and ${rows.length - NAMED} more`;
      refs.list.append(more);
    }
    const isTooMany = rows.length > MOST;
    setText(refs.note, isTooMany ? `At most ${MOST} can be deleted at once; ${rows.length} are selected.` : `KATO ends ${isOne ? "it" : "them"} at once. This cannot be undone.`);
    setHidden(refs.typing, isOne || isTooMany);
    setText(refs.ask, `Type ${rows.length} to go on:`);
    refs.number.value = "";
    setText(refs.no, "Keep");
    setText(refs.yes, isOne ? "Delete" : `Delete ${rows.length}`);
    this.paint();
    if (!this.question.open) this.question.showModal();
    if (!isOne) refs.number.focus();
  }

  paint() {
    const { refs, rows } = this;
    const isMeant = rows.length === 1 || refs.number.value.trim() === String(rows.length);
    refs.yes.disabled = rows.length > MOST || !isMeant || this.isDone || this.isSending;
    setHidden(refs.yes, this.isDone || rows.length > MOST);
  }

  send() {
    const { refs } = this;
    this.isSending = true;
    this.paint();
    setText(refs.yes, "Deleting…");
    setText(refs.no, "Close"); // what was ordered cannot be kept any more
    this.asked = this.lastId += 1;
    this.order({ id: this.asked, session_ids: this.rows.map((row) => row.session_id) });
  }

  /** Show what became of each; return the outcomes. */
  take(text) {
    const { id, outcomes: told = [], error } = JSON.parse(text);
    const outcomes = told.map((outcome) => ({ ...outcome, is_gone: outcome.result !== "failed" }));
    if (id !== this.asked) return outcomes; // of a question that was closed
    const { refs } = this;
    Object.assign(this, { isDone: true, isSending: false });
    const gone = outcomes.filter((outcome) => outcome.is_gone).length;
    setText(refs.title, error ? "Nothing was deleted" : `${gone} of ${pluralize(outcomes.length, "session")} gone`);
    setText(refs.done, refs.title.textContent);
    refs.no.focus(); // the button that had it is gone
    refs.list.replaceChildren(...outcomes.map(({ session_id: who, result, reason }) => {
      const item = make("li", "");
      const name = make("code", "");
      name.textContent = shortenId(who);
      const what = make("span", "");
      what.textContent = result === "failed" ? `failed: ${clean(reason, SENTENCE)}` : WORDS[result] ?? clean(result);
      item.append(name, what);
      return item;
    }));
    setText(refs.note, clean(error, SENTENCE));
    setHidden(refs.typing, true);
    setText(refs.no, "Close");
    this.paint();
    if (!error && gone === outcomes.length && gone === 1) this.question.close();
    return outcomes;
  }
}

function describe({ node_id: node, session_id: id, created_at: created }) {
  const item = make("li", "");
  const who = make("b", "");
  const name = make("bdi", "");
  name.textContent = clean(node) || "node not known";
  who.append(name);
  const code = make("code", "");
  code.textContent = shortenId(id);
  const age = make("span", "key");
  age.textContent = isDate(created) ? `${writeLong((Date.now() - new Date(created).getTime()) / 1_000)} old` : "age not known";
  item.append(who, code, age);
  return item;
}
