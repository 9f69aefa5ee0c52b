"""The command line, ``dgm``. What it prints with ``--json`` is fixed (docs/architecture.md): scripts depend on it."""

from dgm_engine.cli.app import main

__all__ = ["main"]
