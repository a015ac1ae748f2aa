"""How the threads of what the command line starts wait for one another."""

import os

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables by which OpenMP is told; one that is set is left alone."""


def let_waiting_threads_sleep() -> None:
    """Have OpenMP's threads sleep while they wait, where nothing else was chosen; call it before torch is imported.

    By default they spin, and take the cores from those that work wherever there are more threads than free cores: two
    threads on a busy machine then take a step where one takes ten (``benchmarks/timing/threads.py``).
    """
    if not any(name in os.environ for name in CHOICES):
        os.environ["OMP_WAIT_POLICY"] = "passive"
