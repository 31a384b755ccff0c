/**
 * Churn: what the server has computed, drawn; three charts are Panel's own children.
 *
 * It asks by `model.query` (JSON text) and is answered by `model.answer`; which cards are wanted as
 * tables and files stands in `model.wanted`, and `model.tables` has them, with each answer anew.
 */

import { SENTENCE, clean, isNumber, nameNode, pluralize, readFromAddress, setInAddress, writeCount, writeLong, writeNumber, zoneName } from "./words.js";
import { make, setAttribute, setHidden, setText } from "./markup.js";
import { followHost, isHostDark } from "./theme.js";
import { NO_ANSWER, asking, isDueAgain, secondsSince, wordsOf } from "./asking.js";
import { buildChurn, makeRow } from "./churn_markup.js";
import { fill, paintCohorts, paintHours } from "./churn_heat.js";
import { describeTest, splitLength, writeBounds, writeLength, writeMoment, writeRange, writeRateOf } from "./churn_words.js";

const EVERY_SECONDS = 60;
const PATIENT_SECONDS = 60; // a long history takes its time
const LEFT_SECONDS = 60; // a view that was taken away may come back
const CHOICES = { since: ["1h", "24h", "7d", "all"], by: ["all", "node", "day", "reason", "ttl"] };
const USUAL = { since: "24h", by: "all", node: "" };
const PLOTS = ["survival", "rates", "lifetimes"];
const AGES = "ages in seconds"; // what has no times
const UNITS = { rates: "times in UTC", cohorts: "times in UTC, ages in seconds", hours: "hours in the zone beside them", reasons: "counts of sessions" };
const OF_LIVES = ["survival", "groups", "lifetimes", "cohorts"];

class ChurnCards {
  constructor(model) {
    Object.assign(this, buildChurn(model.parts));
    this.asks = model.asks;
    this.lastId = Date.now(); // so that no question is one that a view before it has asked
    this.choice = { ...USUAL, ...model.first, flow: "arrivals" };
    if (model.page) this.readAddress();
    this.open = new Set(); // cards that show their table
    this.files = new Set(); // cards whose file is wanted, and not here yet
    this.listen(model.page);
  }

  readAddress() {
    for (const [name, words] of Object.entries(CHOICES)) {
      const named = readFromAddress(name);
      if (words.includes(named)) this.choice[name] = named;
    }
    this.choice.node = readFromAddress("node") ?? "";
  }

  attach(model) {
    this.life?.abort();
    const { signal } = (this.life = new AbortController());
    const whileAlive = (act) => () => signal.aborted || act();
    this.model = model;
    model.on("answer", whileAlive(() => this.take(model.answer)));
    model.on("tables", whileAlive(() => this.takeTables()));
    for (const name of PLOTS) model.on(name, whileAlive(() => this.placePlot(name)));
    model.on("remove", whileAlive(() => {
      this.life.abort();
      setTimeout(() => signal === this.life.signal && boards.delete(model.key), LEFT_SECONDS * 1_000);
    }));
    const timer = setInterval(() => this.tick(), 1_000);
    signal.addEventListener("abort", () => clearInterval(timer));
    followHost(() => this.paintTheme(), signal);
    for (const name of PLOTS) this.placePlot(name);
    this.paintTheme();
    if (model.answer) this.take(model.answer, true);
    this.load();
    this.paint();
    return this.root;
  }

  listen(isPage) {
    const { refs, places } = this;
    for (const [name, group] of places.choice) {
      for (const button of group.children) button.addEventListener("click", () => this.choose({ [name]: button.dataset.value }, isPage));
    }
    refs.node.addEventListener("change", () => this.choose({ node: refs.node.value }, isPage));
    refs.refresh.addEventListener("click", () => this.load({ anew: true }));
    for (const [name, button] of places.table) button.addEventListener("click", () => this.turn(name));
    for (const [name, button] of places.file) button.addEventListener("click", () => this.files.add(name) && this.askTables());
  }

  choose(changes, isPage) {
    this.choice = { ...this.choice, ...changes };
    if ("flow" in changes) return this.paint();
    if (isPage) setInAddress(Object.fromEntries(Object.entries(USUAL).map(([name, usual]) => [name, this.choice[name] === usual ? null : this.choice[name]])));
    this.load();
  }

  load(how = {}) {
    if (!this.asks) return;
    const { since, by, node } = this.choice;
    const hasControls = this.model.parts.includes("controls");
    this.asked = asking((this.lastId += 1));
    this.question = { zone: zoneName, ...(hasControls && { since, by, node: node || null }), ...how };
    this.ask();
    this.paintHead();
  }

  ask() {
    this.model.query = wordsOf(this.asked, this.question);
  }

  tick() {
    if (document.hidden || !this.root.isConnected || !this.root.checkVisibility?.()) return;
    const isOverdue = this.asked && secondsSince(this.asked.at) > PATIENT_SECONDS;
    if (isOverdue) this.failure = NO_ANSWER;
    if (this.asks && (isOverdue || (!this.asked && secondsSince(this.answeredAt ?? 0) > EVERY_SECONDS))) this.load();
    else if (this.asked && isDueAgain(this.asked)) this.ask();
    this.paintHead();
  }

  take(text, isOld = false) {
    const answer = JSON.parse(text);
    if (!isOld && this.asks && answer.id !== this.asked?.id) return;
    if (!isOld) this.asked = null;
    this.answeredAt = performance.now();
    this.failure = answer.error ?? null;
    if (!answer.error) {
      this.answer = answer;
      this.takenAt = performance.now();
      this.takeTables();
      if (this.files.size) this.askTables();
    }
    this.paint();
  }

  /** Ask for all that is wanted, at once: of two changes of a property, the server may hear of one. */
  askTables() {
    this.model.wanted = JSON.stringify({ id: (this.lastId += 1), cards: [...this.open], files: [...this.files] });
  }

  /** Show the tables, and save the files, of the answer that is shown; of no other. */
  takeTables() {
    if (!this.answer) return;
    const told = this.model.tables ? JSON.parse(this.model.tables) : {};
    const tables = told.of === this.answer.id ? told.tables : {};
    for (const card of this.open) this.paintTable(card, tables[card]);
    for (const card of [...this.files]) {
      const file = tables[card]?.file;
      if (file !== undefined) this.files.delete(card);
      if (file) save(card, file);
    }
  }

  paintTable(card, table) {
    const units = UNITS[card] ?? AGES;
    const rest = make("p", "key");
    if (!table) {
      rest.textContent = "Reading…";
      return this.places.rows.get(card).replaceChildren(rest);
    }
    const element = make("table", "");
    const isOfNumbers = table.names.map((_, at) => table.rows.some((row) => isNumber(row[at])));
    const makeCells = (texts) => texts.map((text, at) => ({ text, isNumber: isOfNumbers[at] }));
    const write = (value) => (isNumber(value) ? writeNumber(value) : clean(value ?? "—"));
    const lines = table.rows.map((row) => makeRow("td", makeCells(row.map(write))));
    fill(element, makeRow("th", makeCells(table.names.map((name) => clean(name)))), lines, `${card}; ${units}`);
    rest.textContent = table.total > table.rows.length ? `The first ${writeCount(table.rows.length)} of ${writeCount(table.total)} rows; the file has all. ` : "";
    rest.textContent += sentence(units);
    this.places.rows.get(card).replaceChildren(element, rest);
  }

  turn(name) {
    if (!this.open.delete(name)) this.open.add(name);
    this.askTables();
    this.takeTables();
    this.paint();
  }

  placePlot(name) {
    const child = this.model[name] ? this.model.get_child(name) : null;
    if (child) this.places.plot.get(name).replaceChildren(child);
  }

  paint() {
    const { answer } = this;
    this.paintHead();
    for (const [name, group] of this.places.choice) {
      for (const button of group.children) setAttribute(button, "aria-pressed", String(button.dataset.value === this.choice[name]));
    }
    for (const name of this.places.shown.keys()) this.paintCard(name);
    this.root.classList.toggle("alone", (answer?.by ?? this.choice.by) === "all");
    if (!answer) return;
    this.paintNotes();
    this.paintNodes(answer.nodes ?? []);
    this.paintFigures();
    this.paintGroups();
    this.paintReasons();
    setText(this.refs.flowUnit, `Sessions ${this.choice.flow === "arrivals" ? "created" : "ended"} per hour; hatched where nobody looked`);
    if (answer.cohorts) paintCohorts(this.refs.cohorts, answer.cohorts, answer.ages, answer.zone);
    if (answer.hours) paintHours(this.refs.hours, answer.hours, this.choice.flow, answer.zone);
  }

  /** A card shows its chart, or its table, or why there is neither. */
  paintCard(name) {
    const { answer, places } = this;
    const isOpen = this.open.has(name);
    const why = this.whyNot(name);
    setHidden(places.why.get(name), !why);
    setText(places.why.get(name), why);
    setHidden(places.shown.get(name), Boolean(why) || isOpen);
    setHidden(places.rows.get(name), Boolean(why) || !isOpen);
    setAttribute(places.table.get(name), "aria-pressed", String(isOpen));
    for (const tool of [places.table.get(name), places.file.get(name)]) tool.disabled = !answer || Boolean(why);
  }

  whyNot(name) {
    const { answer, failure } = this;
    if (!answer) return failure ? "—" : "Reading the history…";
    if (answer.refusal && OF_LIVES.includes(name)) return `No statement about lifetimes: ${clean(answer.refusal, SENTENCE)}.`;
    if (name === "groups" && !answer.groups) return "Choose what to compare by: node, day, reason or time to live.";
    if (name === "groups" && !answer.groups.length) return "No group has enough ends for a curve.";
    if (name === "reasons" && !answer.reasons) return "Reasons are known where sessions are known one by one: that takes KATO's Redis.";
    if (name === "reasons" && !answer.reasons.some(({ ended }) => ended)) return "No session ended in this range.";
    if (name === "cohorts" && !answer.cohorts.some(({ members }) => members)) return "No session was born in this range.";
    return "";
  }

  paintHead() {
    const { refs, answer, failure, asked } = this;
    setHidden(refs.failure, !failure);
    if (failure) setText(refs.failure, clean(failure, SENTENCE));
    const isLong = asked && secondsSince(asked.at) > 0.5;
    setText(refs.age, isLong ? "computing…" : answer && this.asks ? `computed ${secondsSince(this.takenAt) < 1 ? "now" : `${writeLong(secondsSince(this.takenAt))} ago`}` : "");
    this.root.classList.toggle("waits", Boolean(isLong));
    if (answer) setText(refs.range, `${writeMoment(answer.since, answer.zone)} – ${writeMoment(answer.until, answer.zone)} · ${clean(answer.zone)}`);
    setAttribute(this.root, "aria-busy", String(Boolean(asked)));
  }

  paintNotes() {
    const { notes } = this.refs;
    const told = this.answer.notes.map(sentence);
    setHidden(notes, told.length === 0);
    notes.replaceChildren(...told.map((note) => {
      const item = make("li", "");
      item.textContent = note;
      return item;
    }));
  }

  paintNodes(nodes) {
    const { node } = this.refs;
    const chosen = this.choice.node;
    const wanted = [["", "All nodes"], ...nodes.map(([name, count]) => [name, `${nameNode(name)} (${writeCount(count)})`])];
    if (chosen && !wanted.some(([name]) => name === chosen)) wanted.push([chosen, nameNode(chosen)]);
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
    node.value = chosen;
  }

  paintFigures() {
    const { refs, answer } = this;
    const { median, naive, rates, refusal } = answer;
    const value = median?.[0] ?? null;
    const [number, unit] = splitLength(value);
    setText(refs.median, number);
    setText(refs.medianUnit, unit);
    setText(refs.medianBand, refusal ? sentence(refusal) : value === null ? "More than half of the sessions live on: the median is not reached." : `${writeBounds(median, value)} · half of the sessions live longer`);
    const [mean, meanUnit] = splitLength(naive?.mean_seconds, naive?.mean_seconds);
    setText(refs.naive, mean);
    setText(refs.naiveUnit, meanUnit);
    setHidden(refs.biased, !naive?.is_off);
    setText(refs.naiveWhy, naive ? describeBias(naive, answer.mean) : "—");
    setText(refs.flowBound, answer.is_lower_bound ? "at least" : "");
    for (const name of ["arrivals", "departures", "net"]) {
      const [rate, bounds] = writeRateOf(rates[name]);
      setText(refs[name], rate);
      const small = make("small", "");
      small.textContent = ` ${bounds}`;
      refs[name].append(small);
    }
  }

  paintGroups() {
    const { refs, answer } = this;
    const groups = answer.groups ?? [];
    const hues = this.model.hues[this.root.dataset.theme === "dark" ? 1 : 0];
    const head = makeRow("th", [{ text: "group" }, { text: "sessions" }, { text: "open" }, { text: "median" }, { text: "95 %" }]);
    const lines = groups.map((group, at) => {
      const { median_seconds: median } = group;
      const bounds = [null, group.median_low_seconds, group.median_high_seconds];
      const line = makeRow("td", [
        { text: nameNode(group.group), isHead: true, title: nameNode(group.group) }, { text: writeCount(group.sessions) }, { text: writeCount(group.still_open) },
        { text: isNumber(median) ? writeLength(median) : "not reached" }, { text: isNumber(median) ? writeRange(bounds, median) : "" }]);
      const mark = make("span", at < hues.length ? "line" : "line again");
      mark.style.setProperty("--hue", hues[at % hues.length]);
      line.firstElementChild.prepend(mark);
      return line;
    });
    fill(refs.groups, head, lines, "Groups with their median lifetimes");
    const left = Object.keys(answer.refused ?? {}).length;
    setText(refs.verdict, [describeTest(answer.log_rank, answer.by), left ? `${pluralize(left, "group")} with fewer than 10 ends ${left === 1 ? "has" : "have"} no curve.` : ""].filter(Boolean).join(" "));
  }

  paintReasons() {
    const rows = (this.answer.reasons ?? []).filter(({ ended }) => ended > 0).sort((one, other) => other.ended - one.ended);
    const most = Math.max(1, ...rows.map(({ high }) => high));
    this.refs.reasons.replaceChildren(...rows.map((row) => {
      const item = make("li", "");
      const parts = ["name", "count", "meter", "key"].map((name) => make("span", name));
      parts[0].textContent = clean(row.reason);
      parts[1].textContent = writeCount(row.ended);
      const [bar, whisker] = [make("i", ""), make("b", "")];
      bar.style.width = `${(100 * row.ended) / most}%`;
      whisker.style.insetInlineStart = `${(100 * row.low) / most}%`;
      whisker.style.width = `${(100 * (row.high - row.low)) / most}%`;
      parts[2].append(bar, whisker);
      parts[3].textContent = `${row.share_percent.toFixed(row.share_percent < 10 ? 1 : 0)}\u202f% · 95\u202f%: ${writeCount(row.low)} – ${writeCount(row.high)}`;
      item.append(...parts);
      return item;
    }));
  }

  paintTheme() {
    const isDark = isHostDark();
    this.root.dataset.theme = isDark ? "dark" : "light";
    if (this.model.dark !== isDark) this.model.dark = isDark;
    if (this.answer) this.paintGroups();
  }
}

const sentence = (text) => clean(`${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`, SENTENCE);

/** Say how far the mean of those that ended is off, where chance alone does not explain it. */
function describeBias({ bias_percent: bias, is_off: isOff, still_open: open, ended }, mean) {
  const percent = Math.abs(bias).toFixed(Math.abs(bias) < 0.95 ? 1 : 0);
  const verdict = isOff ? `${percent}\u202f% too ${bias < 0 ? "short" : "long"}` : "no bias beyond chance";
  const whole = isNumber(mean?.[0]) ? `: with every session counted as far as it was watched, it is ${writeLength(mean[0])} (${writeRange(mean, mean[0])})` : "";
  return `${verdict}${whole} · ${pluralize(ended, "session")} ended, ${writeCount(open)} still open ${open === 1 ? "is" : "are"} left out`.replaceAll("\u2009", "\u202f"); // none of them breaks
}

function save(card, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([file], { type: "text/csv" }));
  link.download = `churn-${card}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}

const boards = new Map();

export function render({ model }) {
  if (!boards.has(model.key)) boards.set(model.key, new ChurnCards(model));
  return boards.get(model.key).attach(model);
}
