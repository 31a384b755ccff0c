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

/** Say whether what surrounds a card is dark: page and notebook tell so themselves. */
export function isHostDark() {
  const { body, documentElement } = document;
  const lab = body.dataset.jpThemeLight;
  if (lab !== undefined) return lab === "false";
  return body.classList.contains("vscode-dark") || documentElement.dataset.theme === "dark";
}

/** Call `onChange` whenever `isHostDark` may have changed. */
export function followHost(onChange, signal) {
  const observer = new MutationObserver(onChange);
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light", "class"] });
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  signal.addEventListener("abort", () => observer.disconnect());
}
