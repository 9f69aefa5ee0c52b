"""What a process runs on and with."""

import functools
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import dgm_engine

BFLOAT16_SHAPE = (256, 784, 512)
"""Rows, inputs and outputs of the matrix product that tells whether a processor gains from bfloat16."""

BFLOAT16_GAIN = 1.25
"""So many times as fast must it be: the casts before and after each product cost time too."""


def describe() -> dict[str, str]:
    """Where and with what the process that calls it works: "device", with the threads it takes, and "version"."""
    import torch

    if torch.cuda.is_available():
        return {"device": torch.cuda.get_device_name(), "version": version()}
    threads = torch.get_num_threads()
    return {"device": f"{_processor()}, {threads} thread{'' if threads == 1 else 's'}", "version": version()}


@functools.cache
def gains_from_bfloat16(device: str) -> bool:
    """Whether matrix products in bfloat16 pay on a type of device, "cpu" or "cuda".

    A CPU is tried, within some hundredths of a second: where it says that it has the instructions it may still be
    slower with them (an Intel Xeon with avx512_bf16 and no amx_bf16 takes 1.6 times as long as in float32).
    """
    import torch

    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    rows, inputs, outputs = BFLOAT16_SHAPE
    seconds = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    for _ in range(8):  # in turns, and the best of each: other work on the machine slows single tries
        for dtype, best in seconds.items():
            a, b = torch.ones(rows, inputs, dtype=dtype), torch.ones(outputs, inputs, dtype=dtype)
            began = time.perf_counter()
            torch.nn.functional.linear(a, b)
            seconds[dtype] = min(best, time.perf_counter() - began)
    return seconds[torch.bfloat16] * BFLOAT16_GAIN < seconds[torch.float32]


def work_clock(device: str) -> Callable[[], float]:
    """A clock of the work that the calling thread does on a type of device, "cpu" or "cuda", in seconds.

    On a processor it is the time that the thread had it, so that other work on the machine does not count: at half the
    share of a processor the clock goes half as fast. What a graphics card does no thread sees; there it is the time of
    day.
    """
    return time.thread_time if device == "cpu" and hasattr(time, "thread_time") else time.monotonic


def version() -> str:
    """The version of this program, and the commit where it runs from a checkout of its sources."""
    git, root = shutil.which("git"), Path(dgm_engine.__file__).parents[1]
    if git is None or not (root / ".git").exists():
        return dgm_engine.__version__
    said = subprocess.run(  # noqa: S603 - git, by its full path
        [git, "-C", str(root), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return f"{dgm_engine.__version__}+{said.stdout.strip()}" if said.returncode == 0 else dgm_engine.__version__


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
