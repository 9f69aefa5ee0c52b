// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Picks } from "../../assets/labelling/picks.js";

/** @param {string} items */
function images(items) {
  return [...items].map((item) => ({ item }));
}

/** @param {number} index */
const stay = (index) => index;

test("a statement is about the images picked, else about the one under the cursor, else about none", () => {
  const picks = new Picks();
  picks.begin(2);
  assert.deepEqual(picks.targets(5), [2]);
  picks.toggle(4);
  picks.toggle(1);
  assert.deepEqual(picks.targets(5), [1, 4]);
  picks.begin(0);
  assert.deepEqual(picks.targets(0), []);
});

test("Shift picks all between where it began and where it is", () => {
  const picks = new Picks();
  picks.go(3, 9, false);
  picks.go(5, 9, true);
  assert.deepEqual(picks.targets(9), [3, 4, 5]);
  picks.go(99, 9, false);
  assert.equal(picks.cursor, 8);
});

test("cursor and picks stay with their images wherever these are now", () => {
  const picks = new Picks();
  picks.toggle(1);
  picks.toggle(3);
  picks.keep(images("abcde"), images("xdeb"), stay);
  assert.equal(picks.cursor, 1);
  assert.deepEqual(picks.targets(4), [1, 3]);
});

test("an image that is gone is followed by the next one after it", () => {
  const picks = new Picks();
  picks.begin(1);
  picks.keep(images("abcd"), images("ad"), stay);
  assert.equal(picks.cursor, 1);
  picks.keep(images("ad"), images("xyz"), (index) => (index < 0 ? 2 : index));
  assert.equal(picks.cursor, 2);
});
