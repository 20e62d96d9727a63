// A clock that stands still: replaces the global timers; `tick` runs what is due.

const timers = new Map(); // id → { run, atMs }
let nowMs = 0;
let lastId = 0;

export function stopTime() {
  timers.clear();
  globalThis.setTimeout = (run, ms = 0) => (timers.set(++lastId, { run, atMs: nowMs + ms }), lastId);
  globalThis.clearTimeout = (id) => void timers.delete(id);
}

export function tick(ms) {
  nowMs += ms;
  for (const [id, { run, atMs }] of timers) {
    if (atMs > nowMs) continue;
    timers.delete(id);
    run();
  }
}
