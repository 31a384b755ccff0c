/** Light or dark: what the page chose, or what surrounds a card. */

import { readFromAddress } from "./words.js";
import { THEMES } from "./markup.js";

const THEME_KEY = "kato-panel-theme";
export const THEME_PARAMETER = "theme";

/** Say which theme was chosen: the address may name one for this visit, else what was kept, if that counts. */
export function readTheme(isKept) {
  const named = readFromAddress(THEME_PARAMETER);
  if (Object.hasOwn(THEMES, named ?? "")) return named;
  try {
    const theme = isKept ? localStorage.getItem(THEME_KEY) : null;
    return Object.hasOwn(THEMES, theme) ? theme : "system";
  } catch {
    return "system";
  }
}

export function keepTheme(theme) {
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch { /* it holds for this visit */ }
}

export const prefersDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

/** Say whether what surrounds a card is dark: page and notebook tell so, of others it is seen. */
export function isHostDark() {
  const { body, documentElement: html } = document;
  const lab = body.dataset.jpThemeLight;
  if (lab !== undefined) return lab === "false";
  if (html.dataset.theme !== undefined) return html.dataset.theme === "dark";
  return body.classList.contains("vscode-dark") || [body, html].some(hasDarkGround);
}

/** Say whether an element is filled with a dark colour; most are not filled at all. */
function hasDarkGround(element) {
  const [red, green, blue, alpha = 1] = getComputedStyle(element).backgroundColor.match(/[\d.]+/gu)?.map(Number) ?? [];
  return alpha > 0.5 && 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;
}

/** Call `onChange` whenever `isHostDark` may have changed. */
export function followHost(onChange, signal) {
  const observer = new MutationObserver(onChange);
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light", "class", "style"] });
  observer.observe(document.documentElement, { attributeFilter: ["data-theme", "data-bs-theme", "class", "style"] });
  signal.addEventListener("abort", () => observer.disconnect());
}
