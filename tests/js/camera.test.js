// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Camera } from "../../assets/map/camera.js";
/** @import { Point } from "../../assets/map/camera.js" */

/** @param {number} width @param {number} height */
function camera(width = 800, height = 500) {
  const made = new Camera();
  made.resize(width, height);
  return made;
}

/** @param {Point} got @param {Point} wanted */
function close(got, wanted) {
  got.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) < 1e-9, `${got} is not ${wanted}`));
}

/** @type {Point[]} */
const PLACES = [
  [0, 0],
  [1, 1],
  [0.5, 0.5],
  [0.13, 0.92],
];

test("world and screen are each other's inverse, wherever one looks", () => {
  const seen = camera();
  for (const [x, y, zoom] of [
    [0.5, 0.5, 1],
    [0.2, 0.9, 7],
    [1.1, -0.2, 0.6],
  ]) {
    seen.set(x, y, zoom);
    for (const place of PLACES) close(seen.toWorld(...seen.toScreen(...place)), place);
  }
});

test("up in the world is up on the screen", () => {
  const seen = camera();
  assert.ok(seen.toScreen(0.5, 0.6)[1] < seen.toScreen(0.5, 0.5)[1]);
  assert.ok(seen.toScreen(0.6, 0.5)[0] > seen.toScreen(0.5, 0.5)[0]);
});

test("at home the unit square fits into any window, in its middle", () => {
  for (const [width, height] of [
    [800, 500],
    [300, 900],
    [1, 1],
  ]) {
    const seen = camera(width, height);
    seen.set(0.1, 0.2, 30);
    seen.home();
    const [left, bottom] = seen.toScreen(0, 0);
    const [right, top] = seen.toScreen(1, 1);
    assert.ok(left >= 0 && top >= 0 && right <= width && bottom <= height);
    close([left + right, top + bottom], [width, height]);
    assert.ok(Math.max((right - left) / width, (bottom - top) / height) > 0.9);
  }
});

test("zooming leaves what lies under the point of the screen where it is", () => {
  const seen = camera();
  for (const [left, top, factor] of [
    [100, 80, 3],
    [620, 410, 0.5],
    [400, 250, 11],
  ]) {
    const before = seen.toWorld(left, top);
    const { zoom } = seen;
    seen.zoomAt(left, top, factor);
    close(seen.toWorld(left, top), before);
    assert.equal(seen.zoom, zoom * factor);
  }
});

test("zooming ends at limits", () => {
  const seen = camera();
  seen.zoomAt(400, 250, 1e9);
  assert.equal(seen.zoom, 400);
  seen.zoomAt(400, 250, 1e-9);
  assert.equal(seen.zoom, 0.5);
});

test("a drag moves what is seen by as many pixels", () => {
  const seen = camera();
  const [left, top] = seen.toScreen(0.3, 0.3);
  seen.pan(25, -40);
  close(seen.toScreen(0.3, 0.3), [left + 25, top - 40]);
});

test("nobody gets lost beside the map", () => {
  const seen = camera();
  seen.pan(1e6, 1e6);
  assert.deepEqual([seen.x, seen.y], [-0.5, 1.5]);
});

test("what was saved is seen again; what is damaged is not", () => {
  const seen = camera();
  seen.set(0.3, 0.7, 5);
  assert.deepEqual(new Camera(seen.saved()).saved(), { x: 0.3, y: 0.7, zoom: 5 });
  assert.deepEqual(new Camera({ x: NaN, y: 0, zoom: 2 }).saved(), { x: 0.5, y: 0.5, zoom: 1 });
});
