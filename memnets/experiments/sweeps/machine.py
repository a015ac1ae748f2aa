"""What a trial ran on, for the report."""

import datetime
import importlib.metadata
import os
import platform
import socket
from pathlib import Path
from typing import Any

FACTS = ("cpu", "cores", "threads", "torch")
"""What makes two runs' times comparable."""


def describe_machine(threads: int) -> dict[str, Any]:
    """This machine now: time, host, CPU model, cores this process may use, ``threads`` it does use, torch's version."""
    return {
        "started": datetime.datetime.now().isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "threads": threads,
        "torch": importlib.metadata.version("torch"),
    }


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """Such as "AMD EPYC 7B13"; the architecture where the system does not say."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def is_follower() -> bool:
    """Whether this process trains one run beside another that leads; known before Lightning is imported."""
    names = ["RANK", "LOCAL_RANK", "NODE_RANK"]
    if int(os.environ.get("SLURM_NTASKS") or 1) > 1:
        names.append("SLURM_PROCID")
    return any(int(os.environ.get(name) or 0) > 0 for name in names)
