// @ts-check
// What is said arrives once and in order, whatever gets lost on the way.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Ledger } from "../../assets/labelling/ledger.js";
/** @import { Said, Statement } from "../../assets/contract.js" */

const LONG = 10_000; // milliseconds: longer than a ledger waits for anything

/** The storage of a tab, which outlives its pages. */
class Tab {
  constructor() {
    /** @type {Map<string, string>} */
    this.kept = new Map();
  }

  /** @param {string} key */
  getItem(key) {
    return this.kept.get(key) ?? null;
  }

  /** @param {string} key @param {string} value */
  setItem(key, value) {
    this.kept.set(key, value);
  }

  /** @param {string} key */
  removeItem(key) {
    this.kept.delete(key);
  }
}

/** A server that takes each statement once, as pages/_statements.py does, over a line that can be cut. */
class Server {
  constructor() {
    /** @type {Statement[]} */
    this.taken = [];
    this.deaf = false;
    this.mute = false;
    /** @type {number[]} */
    this.refused = [];
    /** @type {Map<string, number>} */
    this.last = new Map();
  }

  /** @param {Ledger} ledger */
  serve(ledger) {
    ledger.send = (said) => {
      if (!this.deaf) this.take(structuredClone(said));
      if (!this.deaf && !this.mute) this.answer(ledger);
    };
  }

  /** @param {Said} said */
  take({ client, statements }) {
    for (const statement of statements) {
      if (statement.seq <= (this.last.get(client) ?? 0)) continue;
      this.last.set(client, statement.seq);
      this.taken.push(statement);
    }
  }

  /** @param {Ledger} ledger */
  answer(ledger) {
    const { client } = ledger;
    ledger.confirm({ client, seq: this.last.get(client) ?? 0, refused: this.refused });
  }

  get items() {
    return this.taken.map(({ items }) => items[0]);
  }
}

/** @param {Tab} tab @param {Server} server */
function opened(tab, server) {
  const ledger = new Ledger(tab);
  server.serve(ledger);
  ledger.turnTo("/project", 0);
  return ledger;
}

/**
 * Lets time pass in steps, as a timer that is set meanwhile counts from the end of a step.
 *
 * @param {number} milliseconds
 */
function pass(milliseconds) {
  for (let passed = 0; passed < milliseconds; passed += 10) mock.timers.tick(10);
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("statements arrive in order, each once", () => {
  const server = new Server();
  const ledger = opened(new Tab(), server);
  for (const item of ["a", "b", "c"]) ledger.say("label", [item], ["x"]);
  pass(LONG);
  ledger.say("skip", ["d"]);
  pass(LONG);
  assert.deepEqual(server.items, ["a", "b", "c", "d"]);
  assert.deepEqual(
    server.taken.map(({ seq }) => seq),
    [1, 2, 3, 4],
  );
  assert.equal(ledger.unheard().size, 0);
});

test("statements that follow closely travel together", () => {
  const ledger = new Ledger(new Tab());
  /** @type {Said[]} */
  const sent = [];
  ledger.send = (said) => sent.push(structuredClone(said));
  for (const item of ["a", "b", "c"]) ledger.say("skip", [item]);
  pass(100);
  assert.equal(sent.length, 1);
  assert.equal(sent[0].statements.length, 3);
});

test("what has no answer is sent again until it has one, and differs each time", () => {
  const server = new Server();
  const ledger = new Ledger(new Tab());
  /** @type {string[]} */
  const sent = [];
  ledger.send = (said) => {
    sent.push(JSON.stringify(said));
    server.take(said);
  };
  ledger.say("skip", ["a"]);
  pass(LONG);
  assert.ok(sent.length > 2);
  assert.equal(new Set(sent).size, sent.length);
  assert.deepEqual(server.items, ["a"]); // the answers were lost, the statement was not taken twice
  server.answer(ledger);
  const n = sent.length;
  pass(LONG);
  assert.equal(sent.length, n);
});

test("nothing is lost while the line is cut, and what is said meanwhile follows", () => {
  const server = new Server();
  const ledger = opened(new Tab(), server);
  server.deaf = true;
  ledger.say("skip", ["a"]);
  pass(LONG);
  ledger.say("skip", ["b"]);
  pass(LONG);
  assert.deepEqual(server.items, []);
  assert.deepEqual([...ledger.unheard().keys()], ["a", "b"]);
  server.deaf = false;
  pass(LONG);
  assert.deepEqual(server.items, ["a", "b"]);
});

test("a page that is loaded anew says what its predecessor could not, under the same numbers", () => {
  const [tab, server] = [new Tab(), new Server()];
  server.mute = true; // the first statement arrives, and the page goes before it knows
  const before = opened(tab, server);
  before.say("skip", ["a"]);
  pass(10);
  server.deaf = true;
  before.say("skip", ["b"]);
  pass(10);
  before.send = () => {};
  [server.deaf, server.mute] = [false, false];
  const after = opened(tab, server);
  assert.equal(after.client, before.client);
  after.resume();
  pass(LONG);
  assert.deepEqual(server.items, ["a", "b"]);
  assert.equal(tab.kept.size, 0);
  assert.notEqual(opened(tab, server).client, after.client);
});

test("an answer to another page changes nothing", () => {
  const ledger = new Ledger(new Tab());
  ledger.say("skip", ["a"]);
  ledger.confirm({ client: "another", seq: 9, refused: [] });
  assert.deepEqual([...ledger.unheard().keys()], ["a"]);
});

test("an undo shows at once, and takes back the last statement that stands", () => {
  const server = new Server();
  const ledger = opened(new Tab(), server);
  ledger.say("label", ["a"], ["x"]);
  pass(LONG);
  ledger.say("label", ["b"], ["y"]);
  assert.deepEqual(ledger.unheard().get("b"), { kind: "label", name: "y" });
  ledger.say("undo", []);
  assert.equal(ledger.unheard().get("b"), null);
  assert.deepEqual(ledger.last()?.items, ["a"]);
  pass(LONG);
  assert.deepEqual(ledger.last()?.items, ["a"]);
  ledger.say("undo", []);
  assert.equal(ledger.unheard().get("a"), null);
  assert.equal(ledger.last(), undefined);
});

test("a statement that was refused is not there to be undone", () => {
  const server = new Server();
  const ledger = opened(new Tab(), server);
  server.refused = [2];
  ledger.say("label", ["a"], ["x"]);
  ledger.say("label", ["b"], ["x"]);
  pass(LONG);
  assert.deepEqual(ledger.last()?.items, ["a"]);
});

test("another project's statements are not this one's to undo, and say which project they are of", () => {
  const server = new Server();
  const ledger = opened(new Tab(), server);
  ledger.say("skip", ["a"]);
  ledger.turnTo("/other", 3);
  ledger.say("skip", ["b"]);
  pass(LONG);
  assert.deepEqual(
    server.taken.map(({ project, audit }) => [project, audit]),
    [
      ["/project", 0],
      ["/other", 3],
    ],
  );
  assert.deepEqual(ledger.last()?.items, ["b"]);
});
