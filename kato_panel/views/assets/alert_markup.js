/** The markup of all that is about alerts: constants only. */

import { icon } from "./pictogram.js";

const CLOSE_ICON = icon("M6 6l12 12M18 6 6 18");

export const BELL = `<button class="icon bell" type="button" data-ref="bell" aria-haspopup="dialog" hidden>${icon("M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 21h4")}<span class="badge" aria-hidden="true" data-ref="badge" hidden></span></button>`;

const FILTERS = `<div class="filters"><label class="field search"><span class="quiet">Search alerts</span><input type="search" data-ref="search" placeholder="Search message, rule or subject" maxlength="200" autocomplete="off" spellcheck="false"></label>
  <label class="field"><span class="quiet">Severity</span><select data-ref="severity"><option value="">Severity</option><option value="error">Error</option><option value="warning">Warning</option><option value="info">Info</option></select></label>
  <label class="field"><span class="quiet">Rule</span><select data-ref="rule"><option value="">Rule</option></select></label>
  <label class="field"><span class="quiet">State</span><select data-ref="state"><option value="">State</option><option value="firing">Firing</option><option value="resolved">Resolved</option><option value="unread">Unread</option><option value="acknowledged">Acknowledged</option><option value="silenced">Silenced</option></select></label></div>`;
const NOTES = `<p class="failure" data-ref="failure" role="alert" hidden></p><p class="cut" data-ref="cut" hidden></p>`;
const buildAlertList = (id) => `<div class="hd"><h2 id="${id}">Alerts</h2><span class="key" data-ref="tally"></span><span class="sp"></span>
  <button class="plain" type="button" data-ref="readAll" hidden>Mark all read</button>${
  id === "h-drawer" ? `<button class="icon" type="button" data-ref="close" aria-label="Close">${CLOSE_ICON}</button>` : ""}</div>
  ${FILTERS}${NOTES}<ul role="list" class="alert-list" tabindex="0" aria-labelledby="${id}" data-ref="list"></ul>
  <div class="nothing" data-ref="nothing">${icon("M5 12l5 5 9-10")}<p data-ref="nothingWhy"></p></div>`;

/** A list of alerts: on a card, and in the drawer. */
export const ALERT_LIST = buildAlertList("h-alerts");
export const ALERT_DRAWER = buildAlertList("h-drawer");

export const ALERT_ROW = `<span class="ic" data-ref="sign" aria-hidden="true"></span>
  <div class="told"><p class="line"><bdi class="message" data-ref="message"></bdi><span class="quiet" data-ref="spoken"></span></p>
    <p class="facts"><code data-ref="rule"></code><bdi data-ref="subject"></bdi><span data-ref="when"></span></p>
    <p class="facts" data-ref="more" hidden></p></div>
  <span class="state" data-ref="stateTag"></span>
  <p class="doing"><button type="button" class="act" data-ref="acknowledge">Acknowledge</button><button type="button" class="act" data-ref="silence" aria-expanded="false">Silence</button><button type="button" class="act" data-ref="loud">End silence</button><button type="button" class="act" data-ref="jump">Show in chart</button><button type="button" class="act" data-ref="read">Mark read</button></p>`;

export const SILENCE = `<span class="key">Tell nobody for</span><span class="chips" role="group" aria-label="For how long nobody is told" data-ref="choices">
  <button type="button" data-until="15m">15 min</button><button type="button" data-until="1h">1 h</button><button type="button" data-until="4h">4 h</button><button type="button" data-until="tomorrow">tomorrow 08:00</button></span>
  <span class="until"><label class="field"><span class="key">or until</span><input type="datetime-local" data-ref="time"></label><button type="button" class="plain" data-ref="set" disabled>Set</button><span class="key" data-ref="zone"></span></span>`;

export const RULES = `<div class="hd"><h2 id="h-rules">Rules</h2><span class="key" data-ref="tally"></span></div>
  <div class="problems" role="alert" data-ref="problems" hidden><p><b>The file of rules is not used as it is now.</b> The rules of before stay.</p><ul role="list" data-ref="problemList"></ul></div>${NOTES}
  <div class="scroll-x"><table data-ref="table" hidden><caption class="quiet">Rules and their present state</caption><thead><tr>
    <th scope="col">State</th><th scope="col">Rule</th><th scope="col" class="num">Value</th><th scope="col">Fires at</th><th scope="col" class="since">Since</th><th scope="col"><span class="quiet">Silence</span></th></tr></thead>
  <tbody data-ref="rows"></tbody></table></div>
  <div class="nothing" data-ref="nothing">${icon("M4 6h16M4 12h16M4 18h9")}<p>No rules yet.</p></div>`;
export const RULE_ROW = `<td class="stage"><span class="state" data-ref="stage"></span></td>
  <td class="who"><span class="names"><code data-ref="name"></code><span class="tag own" data-ref="own" hidden>yours</span></span><bdi data-ref="subject"></bdi></td>
  <td class="num" data-ref="value"></td><td class="when" data-ref="condition"></td><td class="since" data-ref="since"></td>
  <td class="quieten"><span class="key" data-ref="silent"></span><button type="button" class="act" data-ref="silence" aria-expanded="false" hidden>Silence</button><button type="button" class="act" data-ref="loud" hidden>End silence</button></td>`;
export const SILENCE_ROW = `<td colspan="6"></td>`;

export const ALERT_TOAST = `<span class="ic" aria-hidden="true"></span><button type="button" class="body"><b></b><small></small></button>
  <button class="icon" type="button">${CLOSE_ICON}</button>`;
