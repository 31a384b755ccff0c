/** The list's markup, and how a row's cells are written. */

import { isDate, isNumber, nameNode, shortenId, writeCount, writeDay, writeLong } from "./words.js";
import { icon } from "./pictogram.js";
import { setAttribute, setHidden, setText, setTitle } from "./markup.js";

const COPY_ICON = icon("M9 9h10v11H9zM5 15V4h10");
const head = (name, title, sort, className = "") => `<th scope="col" class="${name} ${className}"${sort ? ' aria-sort="none"' : ""}>${
  sort ? `<button type="button" data-sort="${sort}">${title}<span class="arrow" aria-hidden="true"></span></button>` : title}</th>`;

export const buildList = (limits) => `
<section class="card" aria-labelledby="h-sessions">
  <div class="hd bar"><h2 id="h-sessions">Sessions</h2><span class="key" data-ref="total"></span>
    <span class="tag warn" data-ref="incomplete" hidden title="Without KATO's Redis there is no list: these are the sessions that its stream has named, looked up one by one.">incomplete</span>
    <span class="sp"></span>
    <button class="danger" type="button" data-ref="remove" hidden></button>
    <label class="field"><span class="quiet">Search by session or node</span><input type="search" data-ref="search" placeholder="Search session or node" maxlength="200" autocomplete="off" spellcheck="false"></label>
    <label class="field"><span class="quiet">Node</span><select data-ref="node"><option value="">All nodes</option></select></label>
    <span class="key age" data-ref="age"></span>
    <button class="icon" type="button" data-ref="refresh" title="Refresh" aria-label="Refresh">${icon("M20 11a8 8 0 1 0-2.3 5.7M20 4v7h-7")}</button></div>
  <p class="failure" data-ref="failure" role="alert" hidden></p>
  <div class="scroll-x" data-ref="scroll"><table data-ref="table" hidden>
    <caption class="quiet">Open sessions</caption>
    <thead data-ref="head"><tr>
      <th scope="col" class="pick"><label><span class="quiet">Select all on this page</span><input type="checkbox" data-ref="all"></label></th>
      ${head("node", "Node", "node")}${head("session", "Session", "session")}${head("created", "Created", "created", "wide")}
      ${head("age", "Age", "", "num")}${head("access", "Last access", "", "num")}${head("left", "Time left", "expires")}
      ${head("stm", "STM", "", "num wide")}${head("count", "Accesses", "", "num wide")}
    </tr></thead><tbody data-ref="rows"></tbody></table></div>
  <template data-ref="row"><tr>
    <td class="pick" data-cell="pick"><label><span class="quiet">Select</span><input type="checkbox"></label></td>
    <td class="node" data-cell="node"><bdi></bdi></td>
    <td class="session" data-cell="session"><button type="button" class="link" data-open><code></code></button><button type="button" class="icon copy" data-copy title="Copy the id">${COPY_ICON}</button></td>
    <td class="created wide" data-cell="created"></td><td class="age num" data-cell="age"></td><td class="access num" data-cell="access"></td>
    <td class="left" data-cell="left"><div><span class="meter" aria-hidden="true"><i></i></span><span></span></div></td>
    <td class="stm num wide" data-cell="stm"></td><td class="count num wide" data-cell="count"></td>
  </tr></template>
  <div class="nothing" data-ref="nothing">${icon("M4 6h16M4 12h16M4 18h9")}<p data-ref="nothingWhy">Reading the sessions…</p></div>
  <div class="pager"><span class="key" data-ref="range"></span><span class="sp"></span>
    <label class="field"><span class="key">Rows</span> <select data-ref="limit">${limits.map((limit) => `<option>${limit}</option>`).join("")}</select></label>
    <button type="button" class="plain" data-ref="previous" disabled>← Previous</button><button type="button" class="plain" data-ref="next" disabled>Next →</button></div>
</section>
<div class="said"><span role="status" data-ref="said"></span><code data-ref="saidId" hidden></code></div>
<dialog class="drawer" data-ref="drawer" aria-labelledby="h-detail"></dialog>
<dialog class="question" data-ref="question" aria-labelledby="h-question"></dialog>`;

/** How the parts of a row are written that do not change with time alone. */
export const CELLS = {
  pick(cell, { node_id: node, session_id: id }) {
    setText(cell.querySelector(".quiet"), `Select ${shortenId(id)} of ${nameNode(node, "a node not known")}`);
  },
  node(cell, { node_id: node }) {
    const text = nameNode(node);
    setText(cell.firstElementChild, text);
    setTitle(cell, text);
  },
  session(cell, { session_id: id }) {
    const [open, copy] = cell.children;
    setText(open.firstElementChild, shortenId(id));
    setTitle(open, id);
    setAttribute(open, "aria-label", `Details of ${shortenId(id)}`);
    setAttribute(copy, "aria-label", `Copy the id ${shortenId(id)}`);
  },
  created(cell, { created_at: created }) {
    setText(cell, isDate(created) ? writeDay(created) : "—");
  },
  stm(cell, { stm_length: length }) {
    setText(cell, isNumber(length) ? writeCount(length) : "—");
  },
  count(cell, { access_count: count }) {
    setText(cell, isNumber(count) ? writeCount(count) : "—");
  },
};

/** Write what changes with time alone; `now` is the server's, in milliseconds. */
export function paintTimes(cells, row, now) {
  const since = (time) => (isDate(time) ? Math.max(0, (now - new Date(time).getTime()) / 1_000) : null);
  setText(cells.age, writeLong(since(row.created_at)));
  const idle = since(row.last_accessed);
  setText(cells.access, idle === null ? "—" : writeLong(idle));
  paintLeft(cells.left, row, now);
}

/** Paint the time that is left as a bar of the whole time to live, and in words. */
function paintLeft(cell, { expires_at: expires, ttl_seconds: ttl, is_gone: isGone }, now) {
  const [bar, text] = cell.firstElementChild.children;
  const left = isDate(expires) ? (new Date(expires).getTime() - now) / 1_000 : null;
  const share = left === null || !isNumber(ttl) || ttl <= 0 ? null : Math.min(1, Math.max(0, left / ttl));
  setHidden(bar, share === null);
  if (share !== null) bar.firstElementChild.style.width = `${(100 * share).toFixed(1)}%`;
  bar.classList.toggle("low", share !== null && share < 0.15);
  // Whoever accessed it since may have moved its end: only the next look can tell.
  setText(text, isGone ? "ended" : left === null ? "—" : left <= 0 ? "about to end" : writeLong(left));
}
