/** The bar of a replay: where it stands, and how it goes on, for everybody who looks on. */

import { NO_ANSWER } from "./asking.js";
import { PAUSE_ICON, PLAY_ICON, findRefs, setAttribute, setHidden, setText } from "./markup.js";
import { SENTENCE, clean, isDate, writeDay } from "./words.js";

const REPLAY_URL = "api/v1/replay";
const ORDER_MS = 5_000;
const SPEEDS = [1, 10, 60, 600];
const BAR = `<button class="icon" type="button" data-ref="play"></button>
  <time class="at" data-ref="at"></time>
  <input type="range" min="0" step="1" data-ref="position" aria-label="Position in the recording">
  <span class="span" data-ref="span"></span>
  <span class="chips" role="group" aria-label="Speed" data-ref="speeds">${SPEEDS.map((speed) => `<button type="button" data-speed="${speed}">${speed}×</button>`).join("")}</span>
  <span class="failure" role="status" data-ref="failure" hidden></span>`;

export class ReplayBar {
  constructor(bar) {
    this.bar = bar;
    bar.innerHTML = BAR; // only ever the constant above
    this.refs = findRefs(bar);
    this.told = null;
    this.jumps = null;
    this.isDragged = false;
    const { play, position, speeds } = this.refs;
    play.addEventListener("click", () => this.told && this.order({ paused: !(this.told.paused || this.told.over) }));
    position.addEventListener("input", () => {
      this.isDragged = true;
      this.paintPosition(this.chosen());
    });
    position.addEventListener("change", () => this.order({ position: this.chosen().toISOString() }));
    for (const button of speeds.children) button.addEventListener("click", () => this.order({ speed: Number(button.dataset.speed) }));
  }

  chosen() {
    return new Date(new Date(this.told.first).getTime() + 1_000 * Number(this.refs.position.value));
  }

  paint(told) {
    setHidden(this.bar, !told);
    if (!told || !isDate(told.position)) return;
    this.told = told;
    // What was shown is of another time: begin with what was known at this one.
    if (this.jumps !== null && told.jumps !== this.jumps) window.location.reload();
    this.jumps = told.jumps;
    const { refs } = this;
    const stands = told.paused || told.over;
    const words = told.over ? "Play from the beginning" : stands ? "Play" : "Pause";
    if (refs.play.dataset.shows !== words) {
      refs.play.innerHTML = stands ? PLAY_ICON : PAUSE_ICON;
      refs.play.dataset.shows = words;
    }
    for (const name of ["aria-label", "title"]) setAttribute(refs.play, name, words);
    for (const button of refs.speeds.children) setAttribute(button, "aria-pressed", String(Number(button.dataset.speed) === told.speed));
    setText(refs.span, `${writeDay(told.first)} – ${writeDay(told.last)}`);
    for (const control of [refs.play, refs.position, ...refs.speeds.children]) if (control.disabled === told.acts) control.disabled = !told.acts;
    if (!this.isDragged) this.paintPosition(new Date(told.position));
  }

  paintPosition(at) {
    const { position } = this.refs;
    const first = new Date(this.told.first).getTime();
    setAttribute(position, "max", String(Math.floor((new Date(this.told.last).getTime() - first) / 1_000)));
    const value = String(Math.round((at.getTime() - first) / 1_000));
    if (position.value !== value) position.value = value;
    const words = writeDay(at);
    setAttribute(position, "aria-valuetext", words);
    setText(this.refs.at, words);
  }

  async order(order) {
    let failure = "";
    try {
      const answer = await fetch(REPLAY_URL, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(order),
        signal: AbortSignal.timeout(ORDER_MS),
      });
      const body = await answer.json();
      if (answer.ok) Object.assign(this.told, body);
      else failure = body.error?.message ?? NO_ANSWER;
    } catch {
      failure = NO_ANSWER;
    }
    this.isDragged = false;
    setText(this.refs.failure, clean(failure, SENTENCE));
    setHidden(this.refs.failure, !failure);
    if (!order.position) this.paint(this.told);
  }
}

/** What stands in place of how the link is: its kind, in short and in full. */
export function describeReplay({ paused, over, speed }) {
  const how = over ? "End of the recording" : paused ? "Paused" : `${speed}×`;
  return ["info", "Replay", `Replay · ${how}`];
}
