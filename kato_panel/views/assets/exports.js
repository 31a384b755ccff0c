/** The menu of files: rows of the history for the range in view, as links that a browser saves. */

import { readFromAddress } from "./words.js";
import { setHidden, setText } from "./markup.js";

const ALL = "36500d";
const WORDS = { "5m": "the last 5 minutes", "1h": "the last hour", "24h": "the last 24 hours", "7d": "the last 7 days", [ALL]: "all that is kept" };
const OF_NODES = ["sessions", "events"];

export class Exports {
  /** `readView()` gives the tab in view and the chart's range. */
  constructor(refs, readView) {
    Object.assign(this, { refs, readView });
    refs.exports?.addEventListener("beforetoggle", () => this.aim());
  }

  /** Let the links lead to the range in view, and to the node that it is about. */
  aim() {
    const { tab, range, isReplay } = this.readView();
    const asked = tab === "churn" ? readFromAddress("since") ?? "24h" : range;
    const since = asked === "all" ? ALL : asked;
    const node = tab === "churn" || tab === "sessions" ? readFromAddress("node") : null;
    for (const link of this.refs.exports.querySelectorAll("a")) {
      const { kind, format } = link.dataset;
      const question = new URLSearchParams({ format, since });
      if (node && OF_NODES.includes(kind)) question.set("node", node);
      link.href = `api/v1/export/${kind}?${question}`;
    }
    setText(this.refs.exportRange, `Of ${WORDS[since] ?? since}, up to ${isReplay ? "the recording's end" : "the newest look"}${node ? "; sessions and events of one node" : ""}`);
  }

  paint({ api, history }) {
    if (!this.refs.exports) return;
    setHidden(this.refs.export, !api);
    setHidden(this.refs.exportFiles, !history);
    setHidden(this.refs.exportRange, !history);
    setHidden(this.refs.noExport, Boolean(history));
  }
}
