// The address of the audit log's page as the API's query: days of the user's clock become moments.

const DAY_FIELDS = { from: ["after", 0], to: ["before", 1] }; // the last day is within

/** Turn filters (`action`, `actor`, `object`, days `from` and `to`) into parameters of `GET /v1/audit`. */
export function auditQuery(filters) {
  const query = new URLSearchParams();
  for (const [name, value] of filters) {
    const given = value.trim();
    if (!given) continue;
    if (!(name in DAY_FIELDS)) query.set(name, given);
    else if (/^\d{4}-\d{2}-\d{2}$/.test(given)) query.set(DAY_FIELDS[name][0], startOfDay(given, DAY_FIELDS[name][1]).toISOString());
  }
  return query;
}

/** The moment at which a day begins by the clock here; `later` days after it. */
function startOfDay(day, later) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + later);
}

/** Split `number:digest`, as a check shows it; null for anything else. */
export function knownHead(text) {
  const found = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text.trim());
  return found && { seq: found[1], digest: found[2] };
}
