// Terms that were written in place of what was heard, and the way back.

/** Return a text with what was heard in place of a term that was matched. */
export function asHeard(text, { at, term, heard }) {
  const letters = [...text]; // the API counts characters, JavaScript UTF-16 units
  return [...letters.slice(0, at), heard, ...letters.slice(at + [...term].length)].join("");
}
