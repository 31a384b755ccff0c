/** The containers: the server tells each look by `model.payload`, ages count on here. */

import { SENTENCE, clean, isNumber, pluralize, readFromAddress, setInAddress, writeAgo, writeCount, writeTime } from "./words.js";
import { arrange, findRefs, make, setAttribute, setHidden, setText } from "./markup.js";
import { followHost, isHostDark } from "./theme.js";
import { Box, CONTAINERS, Line, splitBytes, writeBytes, writeShare } from "./container_rows.js";

const FORM_KEY = "view";
const KEPT_SECONDS = 60; // a view that was taken away may come back
const FAILING = ["degraded", "down"];

class ContainerView {
  constructor({ form, page }) {
    this.root = make("div", "kato containers", CONTAINERS);
    this.refs = findRefs(this.root.firstElementChild);
    this.refs.boxes = this.root.lastElementChild;
    this.isPage = page;
    this.boxes = new Map(); // by the container's id
    this.lines = new Map();
    this.told = null;
    const asked = page ? readFromAddress(FORM_KEY) : null;
    for (const chip of this.refs.forms.children) chip.addEventListener("click", () => this.show(chip.dataset.form, true));
    this.show(["cards", "table"].includes(asked) ? asked : form);
  }

  attach(model) {
    this.life?.abort();
    const { signal } = (this.life = new AbortController());
    const whileAlive = (act) => () => signal.aborted || act();
    model.on("payload", whileAlive(() => this.take(model.payload)));
    model.on("remove", whileAlive(() => {
      this.life.abort();
      setTimeout(() => signal === this.life.signal && views.delete(model.key), KEPT_SECONDS * 1_000);
    }));
    const timer = setInterval(() => this.root.isConnected && this.root.checkVisibility?.() && this.paintTimes(), 1_000);
    signal.addEventListener("abort", () => clearInterval(timer));
    followHost(() => this.paintTheme(), signal);
    this.paintTheme();
    this.take(model.payload);
    return this.root;
  }

  show(form, isChosen = false) {
    this.form = form;
    for (const chip of this.refs.forms.children) setAttribute(chip, "aria-pressed", String(chip.dataset.form === form));
    if (isChosen && this.isPage) setInAddress({ [FORM_KEY]: form === "cards" ? null : form });
    this.paintForm();
  }

  take(text) {
    if (!text || text === this.text) return;
    this.text = text;
    this.told = JSON.parse(text);
    this.takenAt = performance.now();
    const { refs, told } = this;
    const { containers } = told;
    for (const [known, parent, make] of [[this.boxes, refs.boxes, () => new Box()], [this.lines, refs.rows, () => new Line()]]) {
      const wanted = new Set(containers.map(({ container_id: id }) => id));
      for (const [id, { element }] of known) if (!wanted.has(id)) known.delete(id) && element.remove();
      for (const one of containers) {
        if (!known.has(one.container_id)) known.set(one.container_id, make());
        const shown = known.get(one.container_id);
        shown.paint(one, Object.hasOwn(told.trends, one.name) ? told.trends[one.name] : null);
      }
      arrange(parent, containers.map(({ container_id: id }) => known.get(id).element));
    }
    this.paintSums(told);
    this.paintForm();
    this.paintTimes();
  }

  paintSums({ aggregated: sums, containers, health, reason }) {
    const { refs } = this;
    const here = containers.filter(({ gone_since: gone }) => !gone).length;
    const gone = containers.length - here;
    setText(refs.running, writeCount(sums.container_count));
    setText(refs.runningUnit, isNumber(sums.container_count) ? `of ${writeCount(here)}` : "");
    setText(refs.runningOf, gone ? `${writeCount(gone)} gone` : "");
    setText(refs.cpu, writeShare(sums.total_cpu_percent));
    setText(refs.cpuUnit, isNumber(sums.total_cpu_percent) ? "%" : "");
    setText(refs.cpuOf, isNumber(sums.total_cpu_percent) ? "of one CPU" : "not known of all");
    const mebibyte = 1_024 * 1_024;
    const inBytes = (count) => (isNumber(count) ? count * mebibyte : null);
    const [used, unit] = splitBytes(inBytes(sums.total_memory_mb));
    setText(refs.memory, used);
    setText(refs.memoryUnit, unit);
    setText(refs.memoryOf, isNumber(sums.total_memory_percent) ? `${writeShare(sums.total_memory_percent)} % of ${writeBytes(inBytes(sums.total_memory_limit_mb))}` : "not known of all");
    setText(refs.remark, health === "up" ? clean(reason, SENTENCE) : "");
  }

  /** Show what there is as it was chosen; where there is nothing, say why. */
  paintForm() {
    const { refs, told, form } = this;
    const hasSome = Boolean(told?.containers.length);
    setHidden(refs.boxes, !hasSome || form !== "cards");
    setHidden(refs.table, !hasSome || form !== "table");
    setHidden(refs.forms, !hasSome);
    setHidden(refs.all, !hasSome);
    setHidden(refs.nothing, hasSome);
    const [why, advice] = describeNothing(told);
    setText(refs.nothingWhy, why);
    setText(refs.advice, advice);
  }

  /** Paint what changes with time alone. */
  paintTimes() {
    const { refs, told } = this;
    if (!told) return;
    const elapsed = (performance.now() - this.takenAt) / 1_000;
    const age = isNumber(told.age_seconds) ? told.age_seconds + elapsed : null;
    const { timestamp } = told.aggregated;
    const isOld = told.over || (age !== null && age > told.stale_after_seconds);
    const isFailing = FAILING.includes(told.health) && Boolean(told.reason);
    this.root.classList.toggle("old", isOld);
    setText(refs.age, age === null ? "" : isOld ? `as of ${writeTime(timestamp)}` : age < 1.5 ? "now" : writeAgo(age));
    const words = isFailing ? sentence(told.reason) : "";
    setHidden(refs.failure, !words);
    setText(refs.failure, words && age !== null ? `${words} What is shown is from ${writeTime(timestamp)}.` : words);
    const now = new Date(timestamp).getTime() + (age ?? 0) * 1_000;
    for (const known of [this.boxes, this.lines]) for (const one of told.containers) known.get(one.container_id)?.paintLife(one, now);
  }

  paintTheme() {
    this.root.dataset.theme = isHostDark() ? "dark" : "light";
  }
}

function sentence(text) {
  const words = clean(text, SENTENCE);
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}${words.endsWith(".") ? "" : "."}`;
}

/** Say why no container is shown, and what can be done about it. */
function describeNothing(told) {
  if (!told) return ["Looking for the containers…", ""];
  const { health, reason } = told;
  if (health === "off") return [sentence(reason || "switched off"), "Where one runs, give this service its socket, or set DOCKER_HOST. It is looked for again and again."];
  if (FAILING.includes(health)) return ["The containers cannot be seen.", "All else on this page goes on."];
  if (health === "up") return [sentence(reason || "no container is there"), "KATO_PANEL_CONTAINERS, KATO_PANEL_CONTAINER_LABEL and KATO_PANEL_COMPOSE_PROJECT say which are watched."];
  return ["Looking for the containers…", ""];
}

const views = new Map();

export function render({ model }) {
  if (!views.has(model.key)) views.set(model.key, new ContainerView(model));
  return views.get(model.key).attach(model);
}
