/** The tabs: which view of the page is shown; the address remembers, the back button works. */

import { readFromAddress, setInAddress } from "./words.js";
import { make, setAttribute, setHidden } from "./markup.js";

const TAB_KEY = "tab";
const FIRST = "live";

/** A session that the address names is shown in its tab. */
const readTab = () => readFromAddress(TAB_KEY) ?? (readFromAddress("session") ? "sessions" : FIRST);

export class Tabs {
  /** `onChoose(name)` hears which view is wanted. */
  constructor(refs, onChoose) {
    this.refs = refs;
    this.onChoose = onChoose;
    this.links = new Map();
    this.chosen = FIRST;
  }

  attach(tabs, signal) {
    for (const [name, title] of tabs) {
      if (this.links.has(name)) continue;
      const link = make("a", "");
      link.textContent = title;
      link.href = name === FIRST ? "?" : `?${TAB_KEY}=${name}`;
      this.links.set(name, link);
      this.refs.tabs.append(link);
    }
    for (const [name, link] of this.links) {
      link.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return; // into a tab of the browser's own
        event.preventDefault();
        this.go(name);
      }, { signal });
    }
    window.addEventListener("popstate", () => this.choose(readTab()), { signal });
    this.choose(readTab());
  }

  /** Show a view; one can go back from it. */
  go(name) {
    if (name !== this.chosen) setInAddress({ [TAB_KEY]: name === FIRST ? null : name, session: null }, { isStep: true });
    this.choose(name);
  }

  choose(wanted) {
    const name = this.links.has(wanted) ? wanted : FIRST;
    this.chosen = name;
    for (const [other, link] of this.links) {
      if (other === name) setAttribute(link, "aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    setHidden(this.refs.frame, name !== FIRST);
    setHidden(this.refs.body, name === FIRST);
    this.onChoose(name);
  }
}
