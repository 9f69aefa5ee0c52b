"""A job for `test_standby`: says what it was told."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from dgm_engine import jobs
from dgm_engine.jobs import JobState


def get_ready() -> None:
    if "STANDBY_READY" in os.environ:
        Path(os.environ["STANDBY_READY"]).touch()


def main(arguments: list[str]) -> None:
    folder, said = arguments
    sys.stdout.write(f"heard {said}\n")
    sys.stdout.flush()
    jobs.write_status(
        Path(folder) / "status.json",
        replace(jobs.this_process(), state=JobState.FINISHED, details={"said": said}),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
