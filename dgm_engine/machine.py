"""What a process runs on and with."""

import platform
import shutil
import subprocess
from pathlib import Path

import dgm_engine


def describe() -> dict[str, str]:
    """Where and with what the process that calls it works: "device", with the threads it takes, and "version"."""
    import torch

    if torch.cuda.is_available():
        return {"device": torch.cuda.get_device_name(), "version": version()}
    threads = torch.get_num_threads()
    return {"device": f"{_processor()}, {threads} thread{'' if threads == 1 else 's'}", "version": version()}


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
