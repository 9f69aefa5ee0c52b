// @ts-check
// The statements made on this page. They show at once; the server is told, and answers how far it has heard. Statements
// that it has not heard yet are sent again with every new one, so that none is lost if keys come faster than answers. The
// tab stores them, so that none is lost on a reload.
/** @import { Heard, Said, Statement } from "../contract.js" */

const PACE_MS = 90; // statements that follow each other faster are sent together
const PATIENCE_MS = 3000; // unanswered statements are sent again after this time
const KEPT = "dgm-unheard";

/** @typedef {{ kind: Statement["kind"], name: string }} Word what was said of one image */

export class Ledger {
  /** @param {Pick<Storage, "getItem" | "setItem" | "removeItem">} storage of the tab */
  constructor(storage = sessionStorage) {
    this.storage = storage;
    /** @type {Statement[]} those that the server has taken, the last of them last */
    this.done = [];
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.sent = 0;
    this.tries = 0;
    this.project = "";
    this.audit = 0;
    /** @type {(said: Said) => void} */
    this.send = () => {};
    /** @type {{ client: string, pending: Statement[] } | null} */
    const kept = JSON.parse(storage.getItem(KEPT) ?? "null");
    this.client = kept?.client ?? `${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
    this.pending = kept?.pending ?? [];
    this.seq = this.pending.at(-1)?.seq ?? 0;
    this.waits = kept !== null;
  }

  /** Sends the statements again that were unanswered when the page was reloaded. */
  resume() {
    if (this.waits) this.tell(0);
    this.waits = false;
  }

  remember() {
    const { client, pending } = this;
    if (pending.length) this.storage.setItem(KEPT, JSON.stringify({ client, pending }));
    else this.storage.removeItem(KEPT);
  }

  /**
   * What was said of the images of another project is no part of this one's; statements say which they are of.
   *
   * @param {string} project
   * @param {number} audit
   */
  turnTo(project, audit) {
    if (project !== this.project) this.done = [];
    this.project = project;
    this.audit = audit;
  }

  /**
   * @param {Statement["kind"]} kind
   * @param {string[]} items
   * @param {string[]} names a class for each item, if the kind needs them
   */
  say(kind, items, names = []) {
    this.seq += 1;
    this.pending.push({ seq: this.seq, project: this.project, audit: this.audit, kind, items, names });
    this.remember();
    this.tell(Math.max(this.sent + PACE_MS - performance.now(), 0));
  }

  /** @param {number} delay */
  tell(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (!this.pending.length) return;
      this.sent = performance.now();
      this.tries += 1; // Streamlit passes on what differs from before
      this.send({ client: this.client, statements: this.pending, tries: this.tries });
      this.tell(PATIENCE_MS);
    }, delay);
  }

  /**
   * Takes the server's word of what it has heard.
   *
   * @param {Heard} heard
   */
  confirm(heard) {
    if (heard.client !== this.client) return;
    const settled = this.pending.filter((s) => s.seq <= heard.seq);
    this.pending = this.pending.filter((s) => s.seq > heard.seq);
    this.remember();
    for (const s of settled) {
      if (s.project !== this.project || heard.refused.includes(s.seq)) continue;
      if (s.kind === "undo") this.done.pop();
      else this.done.push(s);
    }
  }

  /** What was last said here and not taken back; undefined if that was nothing. */
  last() {
    return this.standing().at(-1);
  }

  /** Item to what was said of it that the server has not heard, or to null if that was taken back. */
  unheard() {
    /** @type {Map<string, Word | null>} */
    const said = new Map();
    this.standing(({ items, kind, names }, holds) => {
      items.forEach((item, i) => said.set(item, holds ? { kind, name: names[i] } : null));
    });
    return said;
  }

  /** @param {(statement: Statement, holds: boolean) => void} each called for every step that the server has not heard */
  standing(each = () => {}) {
    const stack = [...this.done];
    for (const s of this.pending) {
      if (s.kind !== "undo") {
        stack.push(s);
        each(s, true);
      } else {
        const last = stack.pop();
        if (last) each(last, false);
      }
    }
    return stack;
  }
}
