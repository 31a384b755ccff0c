/** Which alerts and rules nobody is told of, and until when. */

/** Add to each what silences it longest: a silence of its own, or one of its whole rule. */
export function addSilences(ones, silences) {
  for (const one of ones) {
    const found = silences.filter(({ rule, subject }) => rule === one.rule && (subject === null || subject === one.subject));
    one.silence = found.reduce((longest, other) => (longest && longest.until >= other.until ? longest : other), null);
  }
  return ones;
}
