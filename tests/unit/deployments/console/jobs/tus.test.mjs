import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { createUpload, encodeMetadata, readOffset } = await load("jobs/tus.js");
const { here } = await load("lib/api.js");

const file = { name: "会议.mp3", type: "", size: 1234 };

test("metadata is Base64 of UTF-8, empty values are left out", () => {
  const pairs = encodeMetadata(file, { language: "zh", speakers: [], vocabulary: ["a", "b"] }).split(",");
  const decoded = Object.fromEntries(pairs.map((pair) => pair.split(" ")).map(([name, value]) => [name, Buffer.from(value, "base64").toString()]));
  assert.deepEqual(decoded, { language: "zh", vocabulary: "a,b", filename: "会议.mp3" });
});

test("creation sends length and version, and resolves to the path of the location", async () => {
  let sent;
  globalThis.fetch = async (path, options) => {
    sent = { path, ...options };
    return new Response(null, { status: 201, headers: { location: "http://console.test/v1/uploads/7" } });
  };
  assert.equal(await createUpload(file, {}), "/v1/uploads/7");
  assert.deepEqual([sent.path, sent.method, sent.headers["upload-length"], sent.headers["tus-resumable"]], [here("/v1/uploads"), "POST", "1234", "1.0.0"]);
});

test("the offset comes with the job once all is there", async () => {
  globalThis.fetch = async () => new Response(null, { headers: { "upload-offset": "1234", "x-meetmemo-job": "j" } });
  assert.deepEqual(await readOffset("/v1/uploads/7"), { offset: 1234, job: "j" });
});
