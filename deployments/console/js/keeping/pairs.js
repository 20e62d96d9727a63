// Pairs of metadata as people write them: one a line, `name=value`.

/** List the pairs of a text, without blank lines. */
export const pairsOf = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

/** Leave out what is empty: what a request then does not name. */
export const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value.length));
