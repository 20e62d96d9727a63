import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { scrollTopShowing, visibleRange } = await load("lib/virtual_list.js");

const view = { scrollTop: 0, clientHeight: 440, bodyTop: 32, rowHeight: 44, nItems: 1000 };

test("the rows in view are drawn with eight on either side, never beyond the list", () => {
  assert.deepEqual(visibleRange(view), [0, 18]);
  assert.deepEqual(visibleRange({ ...view, scrollTop: 32 + 100 * 44 }), [92, 118]);
  assert.deepEqual(visibleRange({ ...view, scrollTop: 1e9 }).at(1), 1000);
  assert.deepEqual(visibleRange({ ...view, nItems: 3 }), [0, 3]);
  assert.deepEqual(visibleRange({ ...view, nItems: 0 }), [0, 0]);
});

test("however long the list, no more rows are drawn than fit with their surroundings", () => {
  for (let scrollTop = 0; scrollTop < 44_000; scrollTop += 17) {
    const [first, last] = visibleRange({ ...view, scrollTop });
    assert.ok(last - first <= 10 + 2 * 8 + 1, `${scrollTop}`);
  }
});

test("a row is scrolled to whole, below the header that covers the upper edge", () => {
  assert.equal(scrollTopShowing(3, view), 0);
  assert.equal(scrollTopShowing(9, view), 32); // its lower edge lies at 32 + 10 × 44 px
  assert.equal(scrollTopShowing(2, { ...view, scrollTop: 880 }), 88);
  assert.equal(scrollTopShowing(25, { ...view, scrollTop: 880 }), 880);
});
