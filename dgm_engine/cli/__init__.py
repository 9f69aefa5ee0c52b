"""The command line, ``dgm``. What it prints with ``--json`` is fixed (DESIGN section 5): scripts depend on it."""

from dgm_engine.cli.app import main

__all__ = ["main"]
