/** The rules, each with its subjects, and how it is with them. */

import { SENTENCE, clean, isNumber, pluralize, writeCount, writeDay, writeLong } from "./words.js";
import { RULES, RULE_ROW, SILENCE_ROW } from "./alert_markup.js";
import { arrange, findRefs, make, setAttribute, setHidden, setText } from "./markup.js";
import { addSilences } from "./silences.js";
import { describeSilence } from "./alert_list.js";
import { Silencing } from "./silencing.js";

const OPERATORS = { ">": ">", ">=": "≥", "<": "<", "<=": "≤", "==": "=" };
const SHORT_UNITS = [["percent", " %"], ["seconds", " s"], ["1/min", " / min"]];
const STAGES = ["firing", "pending", "no data", "inactive"];

export class RuleRows {
  /** `desk` takes orders. */
  constructor(box, desk) {
    box.innerHTML = RULES; // only ever the constant above
    this.box = box;
    this.desk = desk;
    this.refs = findRefs(box);
    this.rows = new Map(); // by rule and subject: {element, refs, told}
    this.asking = make("tr", "asking", SILENCE_ROW);
    this.silencing = new Silencing((row, until) => desk.silence(row, until));
    this.told = { rows: [], problems: [], count: 0 };
  }

  take(text) {
    if (!text) return;
    const { rules, silences, problems } = JSON.parse(text);
    this.told = { rows: addSilences(rules.flatMap(listStates), silences), problems, count: rules.length };
    this.paint();
  }

  paint() {
    const { refs, told: { rows, problems, count } } = this;
    const sums = STAGES.slice(0, 2).map((stage) => [stage, rows.filter((row) => stageOf(row) === stage).length]);
    setText(refs.tally, [pluralize(count, "rule"), ...sums.filter(([, sum]) => sum).map(([stage, sum]) => `${writeCount(sum)} ${stage}`)].join(" · "));
    this.desk.paintNotes(refs);
    this.paintProblems(problems);
    const wanted = new Set(rows.map(keyOf));
    for (const [key, { element }] of this.rows) {
      if (wanted.has(key)) continue;
      if (element.nextElementSibling === this.asking) this.silencing.close(false);
      element.remove();
      this.rows.delete(key);
    }
    for (const told of rows) {
      const key = keyOf(told);
      const row = this.rows.get(key) ?? this.makeRow(key);
      row.told = told;
      this.paintRow(row);
    }
    if (!this.silencing.asked) this.asking.remove();
    // In place, and with what is asked below the row that it is about.
    const placed = this.sort(rows).flatMap((told) => {
      const { element, refs: { silence } } = this.rows.get(keyOf(told));
      return this.silencing.asked?.button === silence ? [element, this.asking] : [element];
    });
    arrange(refs.rows, placed);
    setHidden(refs.table, rows.length === 0);
    setHidden(refs.nothing, rows.length > 0);
  }

  /** What fires is on top; but nothing moves while somebody is asked below a row. */
  sort(rows) {
    const order = rows.map(keyOf).join();
    if (!this.silencing.asked || order !== this.order) this.sorted = STAGES.flatMap((stage, at) => rows.filter((row) => Math.min(2, STAGES.indexOf(stageOf(row))) === at));
    this.order = order;
    return this.sorted;
  }

  paintProblems(problems) {
    const { refs } = this;
    setHidden(refs.problems, problems.length === 0);
    const key = problems.join("\n");
    if (key === this.problemsKey) return;
    this.problemsKey = key;
    refs.problemList.replaceChildren(...problems.map((problem) => {
      const item = make("li", "");
      item.textContent = clean(problem, SENTENCE);
      return item;
    }));
  }

  makeRow(key) {
    const element = make("tr", "", RULE_ROW);
    const refs = findRefs(element);
    const row = { element, refs, told: null };
    refs.silence.addEventListener("click", () => {
      element.after(this.asking);
      this.silencing.toggle(row.told, refs.silence, this.asking.firstElementChild);
      if (!this.silencing.asked) this.asking.remove();
    });
    refs.loud.addEventListener("click", () => this.desk.silence(row.told.silence, "0s"));
    this.rows.set(key, row);
    return row;
  }

  paintRow({ element, refs, told }) {
    const { desk } = this;
    const stage = stageOf(told);
    const isSilent = Boolean(told.silence);
    setAttribute(element, "data-stage", stage);
    setAttribute(element, "data-severity", told.severity);
    setText(refs.stage, stage === told.state ? stage : `${stage}, ${told.state}`);
    setAttribute(refs.stage, "title", clean(told.severity));
    setText(refs.name, clean(told.rule));
    setHidden(refs.own, told.built_in);
    setText(refs.subject, clean(told.subject));
    setText(refs.value, withUnit(told.value, told.unit));
    setAttribute(refs.value, "title", clean(told.unit));
    setText(refs.condition, describeCondition(told));
    setAttribute(refs.condition, "title", `${clean(told.metric)}: ${clean(told.unit)}`);
    setText(refs.since, told.since ? writeDay(told.since) : "—");
    setText(refs.silent, isSilent ? describeSilence(told.silence) : "");
    setAttribute(refs.silent, "title", isSilent ? `by ${clean(told.silence.by)}` : "");
    setHidden(refs.silence, !desk.acts || isSilent);
    setHidden(refs.loud, !desk.acts || !isSilent);
    for (const button of [refs.silence, refs.loud]) if (button.disabled === desk.isLive) button.disabled = !desk.isLive;
    const focused = this.box.getRootNode().activeElement;
    if (focused === refs.silence && isSilent) refs.loud.focus();
    if (focused === refs.loud && !isSilent) refs.silence.focus();
  }
}

const keyOf = ({ rule, subject }) => JSON.stringify([rule, subject]);

/** What fires goes on firing where there is no data. */
const stageOf = ({ state, alert_id: alert }) => (alert !== null ? "firing" : STAGES.includes(state) ? state : "no data");

/** Give a rule a row for each subject; one that was never measured has one, too. */
function listStates({ name, states, ...rule }) {
  const told = states.length ? states : [{ subject: null, state: "no data", value: null, since: null, alert_id: null }];
  return told.map((state) => ({ rule: name, ...rule, ...state }));
}

function describeCondition({ op, threshold, unit, for_seconds: seconds }) {
  return `${OPERATORS[op] ?? ""} ${withUnit(threshold, unit)}${seconds ? ` for ${writeLong(seconds)}` : ""}`;
}

/** Say a figure's unit, where it is a short one. */
const withUnit = (value, unit) => `${writeFigure(value)}${isNumber(value) ? SHORT_UNITS.find(([start]) => String(unit).startsWith(start))?.[1] ?? "" : ""}`;

/** Write any figure in four digits or so, without saying more than is known. */
export function writeFigure(value) {
  if (!isNumber(value)) return "—";
  if (Number.isInteger(value) || Math.abs(value) >= 1_000) return value < 0 ? `−${writeCount(-value)}` : writeCount(value);
  return String(Number(Number(value.toPrecision(3)).toFixed(4))).replace("-", "−");
}
