/** The page's icon: the count, on a colour that says whether it may be believed. */

import { setAttribute } from "./markup.js";
import { writeShort } from "./words.js";

const COLOURS = { live: "#2457c5", old: "#667080", bad: "#b3261e" };
const SIZES = [21, 21, 17, 13]; // by letters: they have to fit 32 units

export function paintIcon(count, state) {
  const text = writeShort(count);
  const size = SIZES[Math.min(text.length, SIZES.length) - 1];
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="${COLOURS[state]}"/>`
    + `<text x="16" y="${16 + size * 0.36}" text-anchor="middle" font-family="system-ui,sans-serif" font-weight="700" font-size="${size}" fill="#fff">${text}</text></svg>`;
  const link = document.querySelector('link[rel="icon"]');
  if (link) setAttribute(link, "href", `data:image/svg+xml,${encodeURIComponent(picture)}`);
}
