import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { load } from "../modules.mjs";

const { ApiError, get, here, readEvents, request, signedOut } = await load("lib/api.js");
const { session } = await load("lib/session.js");

let sent = [];
function respondWith(...responses) {
  sent = [];
  globalThis.fetch = async (path, options) => {
    sent.push({ path, ...options });
    const response = responses.shift();
    if (response instanceof Error) throw response;
    return response;
  };
}

test("without a key the session's cookie goes, with the header that only this page can set", async () => {
  respondWith(new Response("{}"));
  await request("/v1/jobs", { method: "POST", json: {} });
  assert.equal(sent[0].headers["x-meetmemo-console"], "1");
  assert.equal(sent[0].credentials, "same-origin");
});

afterEach(() => (session.key = ""));

test("the key travels in a header, and cookies do not travel beside it", async () => {
  respondWith(Response.json({ jobs: [] }), Response.json({}));
  session.key = "secret";
  await get("/v1/jobs");
  session.key = "";
  await request("/v1/jobs", { method: "POST", json: { a: 1 } });
  assert.deepEqual(sent[0].headers, { authorization: "Bearer secret" });
  assert.deepEqual(sent[1].headers, { "content-type": "application/json", "x-meetmemo-console": "1" });
  assert.deepEqual([sent[0].credentials, sent[0].path], ["omit", here("/v1/jobs")]);
});

test("a problem becomes an error with its reason, a 401 signs out", async () => {
  let nSignedOut = 0;
  signedOut.addEventListener("signedout", () => nSignedOut++);
  const headers = { "retry-after": "7" };
  respondWith(
    Response.json({ reason: "overloaded", detail: "Too many." }, { status: 429, headers }),
    Response.json({ reason: "unauthenticated" }, { status: 401 }),
    new Response("<html>Bad gateway</html>", { status: 502 }),
    new TypeError("Failed to fetch"),
  );
  const fault = () => get("/v1/jobs").then(assert.fail, (error) => error);
  const { status, reason, message, retryAfterS } = await fault();
  assert.deepEqual([status, reason, message, retryAfterS], [429, "overloaded", "Too many.", 7]);
  assert.equal((await fault()).status, 401);
  assert.equal(nSignedOut, 1);
  assert.deepEqual([(await fault()).reason, nSignedOut], ["internal", 1]);
  const unreachable = await fault();
  assert.ok(unreachable instanceof ApiError);
  assert.deepEqual([unreachable.status, unreachable.reason], [0, "unreachable"]);
});

test("an event stream is read whatever its chunks cut", async () => {
  const bytes = new TextEncoder().encode('event: jobs\ndata: {"name": "会议"}\n\n');
  const body = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  respondWith(new Response(body));
  const events = [];
  await readEvents("/v1/events", (name, data) => events.push([name, data]));
  assert.deepEqual(events, [["jobs", { name: "会议" }]]);
});
