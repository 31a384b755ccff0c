/** Questions to the server: for how long an answer holds, and for how long it is waited for. */

export const REFRESH_SECONDS = 10;
export const PATIENCE_SECONDS = 20;
export const NO_ANSWER = "This page's server does not answer.";
const AGAIN_SECONDS = 2;
export const secondsSince = (tick) => (performance.now() - tick) / 1_000;

/** The server's time now, in milliseconds, from what it was at a tick: this machine's may be wrong. */
export const serverTime = (at, tick) => new Date(at).getTime() + performance.now() - tick;

/**
 * A question that is asked now. Where a notebook runs all its cells, its kernel does not hear yet what
 * a view asks as it appears; so what stays unanswered is asked again, more and more seldom.
 */
export const asking = (id) => ({ id, at: performance.now(), times: 0 });

/** Whether a question is to be asked once more: after 2, 4, 8, … seconds. */
export function isDueAgain(asked) {
  const isDue = secondsSince(asked.at) > AGAIN_SECONDS * 2 ** asked.times;
  asked.times += isDue;
  return isDue;
}

/** The question as a text, which blanks make another one each time: what stays the same is not sent. */
export const wordsOf = (asked, question) => JSON.stringify({ id: asked.id, ...question }) + " ".repeat(asked.times);
