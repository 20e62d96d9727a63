import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { parseMetrics } = await load("lib/metrics.js");

const EXPOSITION = `# HELP meetmemo_replicas Replicas, by model.
# TYPE meetmemo_replicas gauge
meetmemo_replicas{model="mini-en"} 2
meetmemo_replicas{model="base"} 1.5e0
meetmemo_up 1
`;

test("samples have labels, values and the help of their metric", () => {
  const [first, , up] = parseMetrics(EXPOSITION).samples;
  assert.deepEqual(first, { name: "meetmemo_replicas", labels: 'model="mini-en"', value: 2, help: "Replicas, by model." });
  assert.deepEqual(up, { name: "meetmemo_up", labels: "", value: 1, help: "" });
});

test("a value is the sum of its samples, null without any", () => {
  const metrics = parseMetrics(EXPOSITION);
  assert.equal(metrics.value("meetmemo_replicas"), 3.5);
  assert.equal(metrics.value("meetmemo_replicas", 'model="base"'), 1.5);
  assert.equal(metrics.value("meetmemo_down"), null);
});
