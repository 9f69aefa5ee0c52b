"""A process that has the imports of a worker behind it and waits for work: ``python -m dgm_engine.standby MODULE``.

The module has a `main`, and may have a `get_ready` for what is imported only when it is used. One line of JSON on stdin
says what to do: the arguments of `main`, and the file that the output goes to. Where stdin closes without one, because
whoever kept the process ready has ended, it ends too.
"""

import json
import os
import sys
from importlib import import_module


def main(arguments: list[str]) -> None:
    """Imports the module that the first argument names, waits, and runs its `main`."""
    module = import_module(arguments[0])
    getattr(module, "get_ready", lambda: None)()
    line = sys.stdin.readline()
    if not line:
        return
    task = json.loads(line)
    log, nothing = os.open(task["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT), os.open(os.devnull, os.O_RDONLY)
    for ours, given in ((0, nothing), (1, log), (2, log)):
        os.dup2(given, ours)
    sys.exit(module.main(task["arguments"]))


if __name__ == "__main__":
    main(sys.argv[1:])
