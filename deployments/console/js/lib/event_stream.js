// Parses server-sent events (WHATWG HTML, section 9.2), as far as the API writes them: `event`, `data`, "\n" line ends.

/** Take the complete events off the front of a buffer: `{ events: [{ name, data }], rest }`, data parsed from JSON. */
export function takeEvents(buffer) {
  const blocks = buffer.split("\n\n");
  const rest = blocks.pop();
  return { events: blocks.map(parseEvent).filter(Boolean), rest };
}

/** Null for a block without data, such as a keep-alive comment. */
function parseEvent(block) {
  const lines = block.split("\n");
  const field = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
  const data = field("data").join("\n");
  return data ? { name: field("event")[0] ?? "message", data: JSON.parse(data) } : null;
}
