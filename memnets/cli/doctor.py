"""What this machine offers: versions, devices, compiler, backends, W&B's mode."""

import argparse
import importlib.metadata
import os
import platform
import shutil


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> int:
    """``memnets doctor``; the exit status is 0."""
    import torch

    from .. import __version__
    from ..experiments.catalogue import config_folder, experiments
    from ..kernels.cuda.engine import missing as cuda_missing

    rows = [
        ("memnets", __version__),
        ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
    ]
    rows += [(name, _version(name)) for name in ("torch", "lightning", "jsonargparse", "wandb", "numpy", "matplotlib")]
    rows.append(("threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores"))
    devices = ["cpu"]
    devices += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    rows.append(("devices", ", ".join(devices)))
    rows += _compiler()
    rows += _backends()
    rows.append(("fused on CUDA", cuda_missing() or "available"))
    rows.append(("W&B", _wandb()))
    rows.append(("experiments", f"{len(experiments())} in {config_folder()}"))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    return 0


def _backends() -> list[tuple[str, str]]:
    from .. import NTM

    return [(f"backend {name}", verdict) for name, verdict in NTM(8, 100).backend_report().items()]


def _compiler() -> list[tuple[str, str]]:
    from ..kernels.generate import build

    try:
        command = build.compiler()
    except build.BuildError as error:
        return [("C compiler", str(error))]
    missing = build.openmp_missing(tuple(command))
    return [("C compiler", shutil.which(command[0]) or command[0]), ("OpenMP", missing or "available")]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _wandb() -> str:
    try:
        from ..training.loggers import resolve_wandb_mode

        return f"mode {resolve_wandb_mode(None)}"
    except Exception as error:
        return str(error)
