/** The card of what KATO and its Redis say of themselves. */

import { SENTENCE, clean, isNumber, writeAgo, writeCount, writeLong, writeRate, writeTime } from "./words.js";
import { make, setAttribute, setHidden, setText } from "./markup.js";

const OLD_SECONDS = 45; // three times as long as between two looks
const TILE = '<dt></dt><dd><b>—</b><span class="unit"></span></dd><dd class="about"></dd>';
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Write a size in bytes, and its unit. */
export function writeBytes(bytes) {
  if (!isNumber(bytes)) return ["—", ""];
  const step = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  const size = bytes / 1_024 ** step;
  return [size < 9.95 && step > 0 ? size.toFixed(1) : writeCount(size), UNITS[step]];
}

function writeSeconds(seconds) {
  if (seconds >= 0.9995) return [writeRate(seconds), "s"];
  return [writeRate(seconds * 1_000), "ms"];
}

function writePercent(percent) {
  return [percent > 0 && percent < 9.95 ? percent.toFixed(1) : writeCount(percent), "%"];
}

const WRITERS = {
  "1/s": (value) => [writeRate(value), "/ s"],
  seconds: writeSeconds,
  ratio: (value) => writePercent(100 * value),
  percent: writePercent,
  bytes: writeBytes,
  keys: (value) => [writeCount(value), "keys"],
};

/** Write a figure and its unit; what is not known has none. */
function write(name, unit, value) {
  if (!isNumber(value)) return ["—", ""];
  return name === "uptime_seconds" ? [writeLong(value), ""] : WRITERS[unit](value);
}

export class Figures {
  constructor(refs) {
    this.refs = refs;
    this.tiles = new Map();
  }

  /**
   * Paint what is known.
   *
   * `labels` has a name, a title, a unit, a part and a remark for each figure; a figure that
   * `upstream` does not name is not shown.
   */
  paint(upstream, labels, { elapsed, isLost, now }) {
    const { refs, tiles } = this;
    if (!upstream) return;
    setText(refs.upstreamState, isLost ? `as of ${writeTime(now)}` : clean(upstream.status));
    const shown = labels.filter(([name]) => Object.hasOwn(upstream.figures, name));
    for (const [at, [name, title, unit, part, remark]] of shown.entries()) {
      const tile = tiles.get(name) ?? make("div", "", TILE);
      tiles.set(name, tile);
      if (refs.figures.children[at] !== tile) refs.figures.insertBefore(tile, refs.figures.children[at] ?? null);
      const [term, figure, about] = tile.children;
      const age = isNumber(upstream.ages[part]) ? upstream.ages[part] + (isLost ? 0 : elapsed) : null;
      const isOld = age !== null && age >= OLD_SECONDS;
      const [value, symbol] = write(name, unit, upstream.figures[name]);
      setText(term, title);
      setText(figure.children[0], value);
      setText(figure.children[1], symbol && ` ${symbol}`);
      figure.classList.toggle("old", isLost || isOld);
      const limit = name === "redis_memory_bytes" && upstream.memory_limit ? `of ${writeBytes(upstream.memory_limit).join(" ")}` : "";
      setText(about, isOld ? `read ${writeAgo(age)}` : limit || remark);
      setAttribute(tile, "title", [title, remark || limit, age === null ? "not read yet" : `read ${writeAgo(age)}`].filter(Boolean).join(" · "));
    }
    while (refs.figures.children.length > shown.length) refs.figures.lastElementChild.remove();
    const issues = upstream.issues.map((issue) => clean(issue, SENTENCE));
    setText(refs.upstreamNote, [...issues, clean(upstream.note, SENTENCE)].filter(Boolean).join(" · "));
    setHidden(refs.upstreamNote, !refs.upstreamNote.textContent);
  }
}
