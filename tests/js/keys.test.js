// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { isForControl, isTyping, meaningOf, plainKey } from "../../assets/labelling/keys.js";

const CLASSES = [
  { name: "shoe", key: "1", colour: "#000000" },
  { name: "b", key: "B", colour: "#000000" },
  { name: "no key", key: null, colour: "#000000" },
];
const GRID = { single: false, classes: CLASSES, helped: false, picked: false, there: true };
const SINGLE = { ...GRID, single: true };

/** @param {string} key */
function pressed(key, { code = "", shiftKey = false, ctrlKey = false } = {}) {
  return { key, code, shiftKey, ctrlKey };
}

test("a key of a class says it, with Shift that it is not that", () => {
  assert.deepEqual(meaningOf(pressed("1"), GRID), { does: "say", kind: "label", name: "shoe" });
  assert.deepEqual(meaningOf(pressed("B"), GRID), { does: "say", kind: "label", name: "b" });
  const shifted = pressed("!", { code: "Digit1", shiftKey: true });
  assert.deepEqual(meaningOf(shifted, SINGLE), { does: "say", kind: "reject", name: "shoe" });
  assert.equal(meaningOf(pressed("2"), GRID), null);
});

test("letters and other keys say the rest", () => {
  const acts = { a: "accept", x: "not", n: "none", " ": "skip", Delete: "clear", Backspace: "undo" };
  for (const [key, act] of Object.entries(acts)) {
    for (const where of [GRID, SINGLE]) assert.deepEqual(meaningOf(pressed(key), where), { does: "act", act });
  }
});

test("arrows go, and pick with Shift in the grid alone", () => {
  const there = { does: "go", right: 1, down: 0 };
  assert.deepEqual(meaningOf(pressed("ArrowRight"), GRID), { ...there, extend: false });
  assert.deepEqual(meaningOf(pressed("ArrowRight", { shiftKey: true }), GRID), { ...there, extend: true });
  assert.deepEqual(meaningOf(pressed("ArrowRight", { shiftKey: true }), SINGLE), { ...there, extend: false });
  assert.deepEqual(meaningOf(pressed("ArrowUp"), GRID), { does: "go", right: 0, down: -1, extend: false });
});

test("images are picked in the grid alone", () => {
  assert.deepEqual(meaningOf(pressed("s"), GRID), { does: "toggle" });
  assert.equal(meaningOf(pressed("s"), SINGLE), null);
  assert.deepEqual(meaningOf(pressed("a", { ctrlKey: true }), GRID), { does: "pickAll" });
  assert.equal(meaningOf(pressed("a", { ctrlKey: true }), SINGLE), null);
});

test("no other key means anything with Ctrl", () => {
  for (const key of ["1", "x", "Backspace", "ArrowLeft", "?"]) {
    assert.equal(meaningOf(pressed(key, { ctrlKey: true }), GRID), null);
  }
});

test("Escape closes the list of keys, then gives up what is picked, then means nothing here", () => {
  const escape = pressed("Escape");
  assert.deepEqual(meaningOf(escape, { ...GRID, helped: true, picked: true }), { does: "help" });
  assert.deepEqual(meaningOf(escape, { ...GRID, picked: true }), { does: "pickNone" });
  assert.equal(meaningOf(escape, GRID), null);
});

test("Page keys turn, Enter opens what is there, a question mark helps", () => {
  assert.deepEqual(meaningOf(pressed("PageUp"), GRID), { does: "turn", pages: -1 });
  assert.deepEqual(meaningOf(pressed("PageDown"), GRID), { does: "turn", pages: 1 });
  assert.deepEqual(meaningOf(pressed("Enter"), GRID), { does: "open" });
  assert.equal(meaningOf(pressed("Enter"), { ...GRID, there: false }), null);
  assert.deepEqual(meaningOf(pressed("?", { code: "Slash", shiftKey: true }), GRID), { does: "help" });
});

test("names that every object has are no keys", () => {
  for (const key of ["constructor", "toString", "__proto__"]) assert.equal(meaningOf(pressed(key), GRID), null);
});

test("a digit is itself whatever Shift makes of it, a letter is small", () => {
  assert.equal(plainKey({ key: "!", code: "Digit1" }), "1");
  assert.equal(plainKey({ key: "A", code: "KeyA" }), "a");
  assert.equal(plainKey({ key: "ArrowUp", code: "ArrowUp" }), "ArrowUp");
});

/**
 * An event on an element, made of what the functions ask of it.
 *
 * @param {object} element
 * @param {object[]} around
 */
function on(element, around = []) {
  return /** @type {Event} */ (/** @type {unknown} */ ({ composedPath: () => [element, ...around] }));
}

/** @param {Record<string, string>} attributes */
function input(attributes = {}) {
  return { tagName: "INPUT", getAttribute: (/** @type {string} */ name) => attributes[name] ?? null };
}

test("a field is typed into, a slider and a list that the mouse has closed are not", () => {
  assert.equal(isTyping(on(input()), true), true);
  assert.equal(isTyping(on({ tagName: "DIV", isContentEditable: true }), true), true);
  assert.equal(isTyping(on({ tagName: "DIV" }), true), false);
  assert.equal(isTyping(on({}), true), false); // the document itself
  assert.equal(isTyping(on({ ...input(), type: "range" }), true), false);
  const closed = input({ role: "combobox", "aria-expanded": "false" });
  assert.equal(isTyping(on(closed), true), false);
  assert.equal(isTyping(on(closed), false), true); // Tab has led there
  assert.equal(isTyping(on(input({ role: "combobox", "aria-expanded": "true" })), true), true);
});

test("a control that Tab leads to keeps the keys that it knows", () => {
  const root = new EventTarget();
  const button = { closest: () => ({}) };
  const slider = { closest: () => ({ type: "range" }) };
  assert.equal(isForControl(on(button, [root]), " ", root), true);
  assert.equal(isForControl(on(button, [root]), "ArrowLeft", root), false); // goes to another image
  assert.equal(isForControl(on(button), "ArrowLeft", root), true); // elsewhere on the page
  assert.equal(isForControl(on(button), "7", root), false);
  assert.equal(isForControl(on(slider, [root]), "ArrowLeft", root), true);
  assert.equal(isForControl(on(slider, [root]), " ", root), false);
  assert.equal(isForControl(on({ closest: () => null }), "Enter", root), false);
});
