/** Copying text: by the clipboard, which a page has only by https or on this machine, else by hand. */

import { make } from "./markup.js";

/** Copy a text; say whether that went well. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

function copySelected(text) {
  const field = make("textarea", "");
  field.value = text;
  Object.assign(field.style, { position: "fixed", top: 0, opacity: 0 }); // on top, so that nothing scrolls
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    field.remove();
  }
}
