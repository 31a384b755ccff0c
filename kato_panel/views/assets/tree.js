/** A JSON value as a tree whose branches open and close. All of it is text. */

import { clean, pluralize, writeCount } from "./words.js";
import { make } from "./markup.js";

const MAX_ITEMS = 200; // of one list or object of a value that are shown
const TEXT_CHARACTERS = 2_000;

export class Tree {
  /** As many levels are open at first as `depth` says. */
  constructor(element, depth) {
    Object.assign(this, { element, depth });
    this.clear();
  }

  /** Show nothing, and forget which branches were open. */
  clear() {
    this.text = null;
    this.opened = new Map(); // by path
    this.element.replaceChildren();
  }

  /** Show a value; what was opened or closed stays so, and nothing moves if it is the same value. */
  show(value) {
    const text = JSON.stringify(value) ?? "";
    if (text === this.text) return;
    this.text = text;
    const focused = this.element.getRootNode().activeElement?.closest("details");
    const path = this.element.contains(focused) ? focused.dataset.path : null;
    this.element.replaceChildren(this.grow(value, this.depth, []));
    if (path === null) return;
    const same = [...this.element.querySelectorAll("details")].find((branch) => branch.dataset.path === path);
    same?.firstElementChild.focus({ preventScroll: true });
  }

  grow(value, depth, path) {
    if (value === undefined) return leaf("not known");
    if (value === null || typeof value !== "object") return leaf(typeof value === "string" ? bound(value) : JSON.stringify(value));
    const items = Array.isArray(value) ? value.map((item, at) => [String(at), item]) : Object.entries(value);
    if (!items.length) return leaf(Array.isArray(value) ? "empty list" : "nothing");
    const branch = make("ul", "");
    for (const [name, item] of items.slice(0, MAX_ITEMS)) branch.append(this.twig(name, item, depth, [...path, name]));
    if (items.length > MAX_ITEMS) {
      const more = make("li", "key");
      more.textContent = `and ${writeCount(items.length - MAX_ITEMS)} more`;
      branch.append(more);
    }
    return branch;
  }

  twig(name, item, depth, path) {
    const row = make("li", "");
    const label = make("bdi", "name");
    label.textContent = clean(name);
    if (item === null || typeof item !== "object" || !Object.keys(item).length) {
      row.append(label, this.grow(item, 0, path));
      return row;
    }
    const details = make("details", "");
    const key = (details.dataset.path = JSON.stringify(path));
    const summary = make("summary", "");
    const size = make("span", "key");
    size.textContent = pluralize(Object.keys(item).length, "item");
    summary.append(label, size);
    details.append(summary);
    const fill = () => details.childElementCount > 1 || details.append(this.grow(item, depth - 1, path)); // deep ones when opened
    details.addEventListener("toggle", () => {
      if (!details.isConnected) return;
      fill();
      this.opened.set(key, details.open);
    });
    if (this.opened.get(key) ?? depth > 0) {
      details.open = true;
      fill();
    }
    row.append(details);
    return row;
  }
}

function leaf(text) {
  const element = make("bdi", "leaf");
  element.textContent = text;
  return element;
}

function bound(text) {
  const sound = text.slice(0, TEXT_CHARACTERS).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\u00b7");
  return text.length > TEXT_CHARACTERS ? `${sound}… (${writeCount(text.length)} characters)` : sound;
}
