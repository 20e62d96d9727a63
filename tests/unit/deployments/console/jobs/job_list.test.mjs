import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { JobList } = await load("jobs/job_list.js");

const job = (id, fields = {}) => ({ id, version: 1, state: "queued", created_at: `2026-10-${id}`, ...fields });

function listOf(jobs, { accepts = () => true, isComplete = true } = {}) {
  const list = new JobList({ accepts, isComplete: () => isComplete });
  list.replace(jobs);
  return list;
}

const ids = (list) => list.jobs.map(({ id }) => id).join(" ");

test("new jobs go to their place, newest first", () => {
  const list = listOf([job("20"), job("10")]);
  assert.deepEqual(list.merge([job("15"), job("30"), job("05")]), { inPlace: new Set(), moved: true });
  assert.equal(ids(list), "30 20 15 10 05");
  assert.deepEqual(["30", "05", "99"].map((id) => list.indexOf(id)), [0, 4, undefined]);
});

test("jobs of the same moment are ordered by id", () => {
  const at = { created_at: "2026-10-01" };
  const list = listOf([job("b", at)]);
  list.merge([job("c", at), job("a", at)]);
  assert.equal(ids(list), "c b a");
});

test("a job that a later page has is not listed before", () => {
  const list = listOf([job("20"), job("10")], { isComplete: false });
  assert.equal(list.merge([job("05")]).moved, false);
  list.append([job("10"), job("05")]);
  assert.equal(ids(list), "20 10 05");
});

test("a changed job stays in its place; an older version of a live one does not count", () => {
  const list = listOf([job("20", { version: 5 }), job("10")]);
  assert.deepEqual(list.merge([job("20", { version: 4 }), job("10", { version: 2, state: "transcribing" })]), { inPlace: new Set([1]), moved: false });
  assert.deepEqual(list.jobs.map(({ version }) => version), [5, 2]);
});

test("a job that no longer passes the filter goes, one that does not is not added", () => {
  const list = listOf([job("20"), job("10")], { accepts: ({ state }) => state === "queued" });
  assert.equal(list.merge([job("20", { version: 2, state: "succeeded" }), job("30", { state: "failed" })]).moved, true);
  assert.equal(ids(list), "10");
  assert.equal(list.remove("10"), 0);
  assert.equal(list.remove("10"), undefined);
});
