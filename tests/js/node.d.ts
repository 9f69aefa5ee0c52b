// The parts of node that tests use; no package of types is installed for them.
declare module "node:assert/strict";
declare module "node:test";
