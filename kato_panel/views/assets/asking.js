/** Questions to the server: for how long an answer holds, and for how long it is waited for. */

export const REFRESH_SECONDS = 10;
export const PATIENCE_SECONDS = 20;
export const NO_ANSWER = "This page's server does not answer.";
export const secondsSince = (tick) => (performance.now() - tick) / 1_000;

/** The server's time now, in milliseconds, from what it was at a tick: this machine's may be wrong. */
export const serverTime = (at, tick) => new Date(at).getTime() + performance.now() - tick;
