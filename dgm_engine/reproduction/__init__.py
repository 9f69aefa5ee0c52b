"""The paper's tables: their rows, the peers beside them, and the report."""
