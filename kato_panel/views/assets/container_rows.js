/** The containers' markup, and how a card and a row of the table are written. */

import { SENTENCE, clean, isDate, isNumber, nameNode, pluralize, writeCount, writeDay, writeLong } from "./words.js";
import { icon } from "./pictogram.js";
import { findRefs, make, setAttribute, setHidden, setText, setTitle } from "./markup.js";
import { drawLine } from "./pictures.js";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const TONES = { running: "ok", paused: "warn", restarting: "warn", removing: "warn", exited: "bad", dead: "bad", gone: "bad" };
const FEWEST_SLICES = 6; // a minute
const FULL_SCALE = 20; // of which the picture shows a fifth at least
const DOWN = "M12 5v14M6 13l6 6 6-6";
const UP = "M12 19V5M6 11l6-6 6 6";

export const writeShare = (percent) => (!isNumber(percent) ? "—" : percent < 9.95 ? percent.toFixed(1) : writeCount(percent));

/** Write bytes as a number and its unit: at least 10 of it, where there is one. */
export function splitBytes(bytes) {
  if (!isNumber(bytes)) return ["—", ""];
  let at = 0;
  let left = bytes;
  while (left >= 999.5 && at < UNITS.length - 1) [left, at] = [left / 1_024, at + 1];
  return [at && left < 9.95 ? left.toFixed(1) : writeCount(left), UNITS[at]];
}

export const writeBytes = (bytes) => splitBytes(bytes).join(" ").trim();
const writeFlow = (rate) => (isNumber(rate) ? `${writeBytes(rate)}/s` : "—");

const fact = (ref, title, path, words) => `<div title="${words}"><dt>${path ? icon(path) : ""}<span>${title}</span></dt><dd data-ref="${ref}">—</dd></div>`;
const metric = (name, title) => `<div class="metric"><h4>${title}</h4>
  <p class="row"><b class="mid" data-ref="${name}">—</b><span class="unit" data-ref="${name}Unit"></span></p>
  <svg class="spark" viewBox="0 0 170 56" preserveAspectRatio="none" data-ref="${name}Line" aria-hidden="true" hidden><path class="area"/><path class="line"/></svg>
  <p class="key of" data-ref="${name}Of"></p></div>`;
export const CARD = `<div class="hd"><h3><bdi data-ref="name"></bdi></h3><span class="pill" data-ref="state"><span class="dot"></span><span data-ref="stateText"></span></span></div>
  <p class="key about"><bdi data-ref="image"></bdi><span data-ref="life"></span></p>
  <p class="trouble" data-ref="trouble" hidden></p>
  <div class="metrics">${metric("cpu", "CPU")}${metric("memory", "Memory")}</div>
  <dl>${fact("rx", "received", DOWN, "Received over its networks, since the look before")}${fact("tx", "sent", UP, "Sent over its networks, since the look before")}
  ${fact("read", "disk read", "", "Read from block devices, since the look before")}${fact("write", "written", "", "Written to block devices, since the look before")}
  ${fact("restarts", "restarts", "", "")}${fact("oom", "OOM kills", "", "Killed for want of memory, as told since this service started")}</dl>`;

const head = (title, className = "") => `<th scope="col" class="${className}">${title}</th>`;
export const LINE = `<th scope="row"><bdi data-cell="name"></bdi></th><td><span class="pill" data-cell="state"><span class="dot"></span><span></span></span></td>
  <td class="num" data-cell="share"></td><td class="num" data-cell="cpu"></td><td class="num" data-cell="memory"></td><td class="num" data-cell="limit"></td>
  <td class="num" data-cell="rx"></td><td class="num" data-cell="tx"></td><td class="num" data-cell="read"></td><td class="num" data-cell="write"></td>
  <td class="num" data-cell="restarts"></td><td class="num" data-cell="oom"></td><td data-cell="life"></td>`;

const figure = (name, title) => `<div class="sum"><h3>${title}</h3><p class="row"><b class="mid" data-ref="${name}">—</b><span class="unit" data-ref="${name}Unit"></span></p><p class="key" data-ref="${name}Of"></p></div>`;
export const CONTAINERS = `
<section class="card sums" aria-labelledby="h-containers">
  <div class="hd bar"><h2 id="h-containers">Containers</h2><span class="key" data-ref="remark"></span><span class="sp"></span><span class="key age" data-ref="age"></span>
    <span class="chips" role="group" aria-label="How the containers are shown" data-ref="forms"><button type="button" data-form="cards">Cards</button><button type="button" data-form="table">Table</button></span></div>
  <p class="failure" data-ref="failure" role="alert" hidden></p>
  <div class="all" data-ref="all">${figure("running", "Running")}${figure("cpu", "CPU")}${figure("memory", "Memory")}</div>
  <div class="nothing" data-ref="nothing" hidden>${icon("M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8")}<p data-ref="nothingWhy"></p><p class="key" data-ref="advice"></p></div>
  <div class="scroll-x" role="region" aria-label="Containers as a table" tabindex="0" data-ref="table" hidden><table><caption class="quiet">Containers</caption><thead><tr>
    ${head("Name")}${head("State")}${head("CPU", "num")}${head("of one CPU", "num")}${head("Memory", "num")}${head("of limit", "num")}
    ${head("Received", "num")}${head("Sent", "num")}${head("Read", "num")}${head("Written", "num")}${head("Restarts", "num")}${head("OOM kills", "num")}${head("Since")}
  </tr></thead><tbody data-ref="rows"></tbody></table></div>
</section>
<ul class="boxes" role="list" data-ref="boxes"></ul>`;

/** Say what a container does: the tone of its mark, and words. */
export function describeState({ status, health, exit_code: code, was_oom_killed: isKilled }) {
  if (status === "running" && health === "unhealthy") return ["bad", "unhealthy"];
  if (status === "running" && health === "starting") return ["info", "starting"];
  if (status === "running") return ["ok", health ?? "running"];
  if (status === "exited" && isNumber(code)) return [code === 0 ? "warn" : "bad", isKilled ? "out of memory" : `exited (${code})`];
  return [TONES[status] ?? "", clean(status)];
}

/** Say since when a container is as it is; `now` is the server's, in milliseconds. */
export function describeLife({ status, started_at: started, finished_at: finished, gone_since: gone }, now) {
  const since = (time) => writeLong(Math.max(0, (now - new Date(time).getTime()) / 1_000));
  if (isDate(gone) && gone) return `gone since ${writeDay(gone)}`;
  if (status === "running" || status === "paused") return isDate(started) && started ? `up ${since(started)}` : "";
  return isDate(finished) && finished ? `ended ${since(finished)} ago` : "";
}

const describeCpus = ({ cpus, cpu_of: of }) => (!isNumber(cpus) ? "" : `${of === "limit" ? "its limit of " : ""}${cpus === 1 ? "1 CPU" : `${Number(cpus.toFixed(2))} CPUs`}`);
export const describeRestarts = ({ restarts, recent_restarts: recent }) => `${writeCount(restarts)}${recent ? ` · ${pluralize(recent, "start")} in 10 min` : ""}`;

/** One container's card: built once, painted at each look. */
export class Box {
  constructor() {
    this.element = make("li", "card box", CARD);
    this.refs = findRefs(this.element);
  }

  paint(one, trend) {
    const { refs } = this;
    const [tone, word] = describeState(one);
    const { memory, network, block_io: blocks } = one;
    setText(refs.name, nameNode(one.name));
    setTitle(refs.name, clean(one.name, SENTENCE));
    setText(refs.image, clean(one.image ?? ""));
    setAttribute(refs.state, "class", `pill ${tone}`);
    setText(refs.stateText, word);
    setAttribute(this.element, "class", `card box ${one.gone_since ? "past" : ""}`);
    setHidden(refs.trouble, !one.trouble);
    setText(refs.trouble, clean(one.trouble, SENTENCE));
    const hasShare = isNumber(one.cpu_share_percent);
    setText(refs.cpu, writeShare(hasShare ? one.cpu_share_percent : one.cpu));
    setText(refs.cpuUnit, isNumber(one.cpu) ? "%" : "");
    const of = hasShare ? `of ${describeCpus(one)} · ${writeShare(one.cpu)}\u00a0% of one` : isNumber(one.cpu) ? "of one CPU" : "not known";
    setText(refs.cpuOf, of);
    const [used, unit] = splitBytes(memory.usage_bytes);
    setText(refs.memory, used);
    setText(refs.memoryUnit, unit);
    const limit = `${writeBytes(memory.limit_bytes)}${memory.of === "limit" ? " limit" : memory.of === "host" ? " of the host" : ""}`;
    setText(refs.memoryOf, isNumber(memory.usage_percent) ? `${writeShare(memory.usage_percent)} % of ${limit}` : isNumber(memory.usage_bytes) ? "without a known limit" : "not known");
    drawTrend(refs.cpuLine, trend?.cpu);
    drawTrend(refs.memoryLine, scale(trend?.memory));
    setText(refs.rx, writeFlow(network.rx_bytes_per_second));
    setText(refs.tx, writeFlow(network.tx_bytes_per_second));
    setText(refs.read, writeFlow(blocks.read_bytes_per_second));
    setText(refs.write, writeFlow(blocks.write_bytes_per_second));
    setText(refs.restarts, describeRestarts(one));
    setText(refs.oom, writeCount(one.oom_kills));
    refs.restarts.parentElement.classList.toggle("bad", one.recent_restarts > 0);
    refs.oom.parentElement.classList.toggle("bad", one.oom_kills > 0);
  }

  paintLife(one, now) {
    const { image, life } = this.refs;
    const words = describeLife(one, now);
    setText(life, words && image.textContent ? ` · ${words}` : words);
  }
}

/** One container's line of the table. */
export class Line {
  constructor() {
    this.element = make("tr", "", LINE);
    this.cells = Object.fromEntries([...this.element.querySelectorAll("[data-cell]")].map((cell) => [cell.dataset.cell, cell]));
  }

  paint(one) {
    const { cells } = this;
    const [tone, word] = describeState(one);
    const { memory, network, block_io: blocks } = one;
    setText(cells.name, nameNode(one.name));
    setTitle(cells.name, clean(one.name, SENTENCE));
    setAttribute(cells.state, "class", `pill ${tone}`);
    setText(cells.state.lastElementChild, word);
    const shares = { share: one.cpu_share_percent, cpu: one.cpu, limit: memory.usage_percent };
    for (const [name, share] of Object.entries(shares)) setText(cells[name], isNumber(share) ? `${writeShare(share)} %` : "—");
    setTitle(cells.share, isNumber(one.cpu_share_percent) ? `of ${describeCpus(one)}` : "");
    setText(cells.memory, writeBytes(memory.usage_bytes));
    setTitle(cells.limit, isNumber(memory.limit_bytes) ? `of ${writeBytes(memory.limit_bytes)}` : "");
    setText(cells.rx, writeFlow(network.rx_bytes_per_second));
    setText(cells.tx, writeFlow(network.tx_bytes_per_second));
    setText(cells.read, writeFlow(blocks.read_bytes_per_second));
    setText(cells.write, writeFlow(blocks.write_bytes_per_second));
    setText(cells.restarts, describeRestarts(one));
    setText(cells.oom, writeCount(one.oom_kills));
    setTitle(this.element, clean(one.trouble, SENTENCE));
  }

  paintLife(one, now) {
    setText(this.cells.life, describeLife(one, now) || "—");
  }
}

/** Draw the last minutes, slice by slice; soon after the start, those that there are. */
function drawTrend(svg, values = []) {
  const span = Math.max(FEWEST_SLICES, values.length);
  const line = values.map((value, at) => [span - values.length + at, value]);
  if (line.length) line.push([span, values.at(-1)]);
  drawLine(svg, { span_seconds: span, line });
}

/** Measure by the highest, so that a change of a hundredth is no cliff. */
function scale(values = []) {
  const highest = Math.max(...values.filter(isNumber), 1);
  return values.map((value) => (isNumber(value) ? (FULL_SCALE * value) / highest : null));
}
