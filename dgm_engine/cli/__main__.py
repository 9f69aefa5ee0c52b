"""``python -m dgm_engine.cli`` is ``dgm``."""

from dgm_engine.cli.app import main

main()
