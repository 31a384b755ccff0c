/** For how long nobody is to be told: asked in place, below what it is about. */

import { SILENCE } from "./alert_markup.js";
import { findRefs, make, setText } from "./markup.js";
import { zoneName } from "./words.js";

export class Silencing {
  /** `onChoose(target, until)` hears what was chosen. */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.element = make("div", "silencing", SILENCE);
    this.refs = findRefs(this.element);
    this.asked = null; // {target, button} while it is shown
    const { refs } = this;
    setText(refs.zone, zoneName);
    for (const choice of refs.choices.querySelectorAll("button")) choice.addEventListener("click", () => this.choose(choice.dataset.until));
    refs.set.addEventListener("click", () => refs.time.value && this.choose(refs.time.value));
    refs.time.addEventListener("input", () => (refs.set.disabled = !refs.time.value));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === refs.time && refs.time.value) this.choose(refs.time.value);
      if (event.key !== "Escape") return;
      event.preventDefault(); // what is around it stays open
      event.stopPropagation();
      this.close();
    });
  }

  /** Show it at the end of a place, or take it away if it is there. */
  toggle(target, button, place) {
    if (this.asked?.button === button) return this.close();
    this.close(false);
    this.asked = { target, button };
    button.setAttribute("aria-expanded", "true");
    this.refs.time.value = "";
    this.refs.set.disabled = true;
    place.append(this.element);
    this.refs.choices.querySelector("button").focus();
  }

  choose(until) {
    const { target } = this.asked;
    this.close();
    this.onChoose(target, until);
  }

  close(takesFocus = true) {
    if (!this.asked) return;
    const { button } = this.asked;
    this.asked = null;
    this.element.remove();
    button.setAttribute("aria-expanded", "false");
    if (takesFocus) button.focus();
  }
}
