// What the person has said on this page. It shows at once; the server is told, and says how far it has heard. Statements
// that it has not heard yet are sent again with every new one, so that none is lost when keys come faster than answers. The
// tab keeps them, so that none is lost when it is loaded anew.
const PACE_MS = 90; // statements that follow closer upon each other travel together
const PATIENCE_MS = 3000; // after which what has no answer is sent once more
const KEPT = "dgm-unheard";

class Ledger {
  constructor() {
    [this.done, this.timer, this.sent, this.tries] = [[], 0, 0, 0];
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    if (kept) [this.client, this.pending, this.seq] = [kept.client, kept.pending, kept.pending.at(-1).seq];
    else this.begin();
    this.waits = Boolean(kept);
  }

  begin() {
    this.client = `${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
    [this.pending, this.seq] = [[], 0];
  }

  /** Says once more what was on its way when the page was loaded anew. */
  resume() {
    if (this.waits) this.tell(0);
    this.waits = false;
  }

  remember() {
    if (this.pending.length) sessionStorage.setItem(KEPT, JSON.stringify({ client: this.client, pending: this.pending }));
    else sessionStorage.removeItem(KEPT);
  }

  /** What was said of the images of another project is no part of this one's; statements say which they are of. */
  turnTo(project, audit) {
    if (project !== this.project) this.done = [];
    [this.project, this.audit] = [project, audit];
  }

  /** kind: label, reject, none, skip, clear or undo; names: a class for each item, where the kind needs them. */
  say(kind, items, names = []) {
    this.seq += 1;
    this.pending.push({ seq: this.seq, project: this.project, audit: this.audit, kind, items, names });
    this.remember();
    this.tell(Math.max(this.sent + PACE_MS - performance.now(), 0));
  }

  tell(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (!this.pending.length) return;
      this.sent = performance.now();
      this.tries += 1; // Streamlit passes on what differs from before
      this.send("said", { client: this.client, statements: this.pending, tries: this.tries });
      this.tell(PATIENCE_MS);
    }, delay);
  }

  /** Takes the server's word of what it has heard. */
  confirm(heard) {
    if (heard?.client !== this.client) return;
    const settled = this.pending.filter((s) => s.seq <= heard.seq);
    this.pending = this.pending.filter((s) => s.seq > heard.seq);
    this.remember();
    for (const s of settled) {
      if (s.project !== this.project || heard.refused.includes(s.seq)) continue;
      if (s.kind === "undo") this.done.pop();
      else this.done.push(s);
    }
  }

  /** What was last said here and not taken back; undefined where that was nothing. */
  last() {
    return this.standing().at(-1);
  }

  /** Item to what was said of it that the server has not heard, {kind, name}, or to null where that was taken back. */
  unheard() {
    const said = new Map();
    this.standing(({ items, kind, names }, holds) => {
      items.forEach((item, i) => said.set(item, holds ? { kind, name: names[i] } : null));
    });
    return said;
  }

  standing(each = () => {}) {
    const stack = [...this.done];
    for (const s of this.pending) {
      if (s.kind !== "undo") {
        stack.push(s);
        each(s, true);
      } else if (stack.length) each(stack.pop(), false);
    }
    return stack;
  }
}
