"""What ``save_pretrained`` folders and checkpoints hold, read with nothing in it taken for granted."""

import contextlib
import json
import math
import os
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook as on_each_part

from .checks import check_dense
from .regular_files import UnusableFile, read_regular
from .terminal import escaped

LARGEST_CONFIG = 16 << 20
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

NOT_MADE = (RuntimeError, MemoryError, OverflowError, RecursionError, AttributeError, LookupError)
"""What sizes from a stranger's file raise beside ValueError and TypeError."""

ModuleT = TypeVar("ModuleT")


def read_config(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        ValueError: it is none, is too deep, or too large.
    """
    try:
        found = json.loads(read_regular(path, LARGEST_CONFIG))
    except UnusableFile as error:
        raise ValueError(f"{path.name} {error}") from error
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} holds a {type(found).__name__}, not a mapping of arguments")
    return found


def make_within(folder: Path, weights: Mapping[str, Tensor], make: Callable[[], ModuleT]) -> ModuleT:
    """What ``make`` gives, as long as it is no larger than the weights that are to go into it.

    It is made without numbers first, so that sizes from a stranger's file take no memory.

    Raises:
        ValueError: it is larger, or cannot be made.
    """
    try:
        with few_parts(folder, len(weights)), torch.device("meta"):
            check_fit(folder, weights, make())
        with few_parts(folder, len(weights)):
            return make()
    except (*NOT_MADE, TypeError, ValueError) as error:
        if isinstance(error, TypeError | ValueError) and "\n" not in str(error):  # ours, which say more
            raise
        raise ValueError(f"{folder} holds arguments with which nothing can be made: {in_one_line(error)}") from error


def in_one_line(error: BaseException) -> str:
    """The beginning of what it says, which may quote a stranger's file."""
    return escaped(" ".join(str(error).split())[:300])


@contextlib.contextmanager
def few_parts(source: Path, weights: int) -> Iterator[None]:
    """While the block runs, raise ValueError where modules get many more parts than so many weights are for.

    Args:
        source: the file that says how many parts.
        weights: how many tensors are to go into them.
    """
    most, parts, thread = 100 + 10 * weights, 0, threading.get_ident()

    def count(module: nn.Module, name: str, part: nn.Module | None) -> None:
        nonlocal parts
        parts += threading.get_ident() == thread
        if parts > most:
            raise ValueError(f"{source} does not fit: its arguments ask for many more parts than it has weights for")

    hook = on_each_part(count)
    try:
        yield
    finally:
        hook.remove()


def check_fit(folder: Path, weights: Mapping[str, Tensor], module: Any) -> None:
    """Raise ValueError unless the weights have the names, the shapes and the kinds of numbers of ``module``."""
    own = module.state_dict()
    lacking = {*getattr(module, "later_buffers", ())} - {*weights}  # of folders of older versions
    for name in sorted({*own, *weights} - lacking):
        shapes = [tuple(part[name].shape) if name in part else "missing" for part in (weights, own)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{folder} does not fit: {name} is {shapes[0]} there and {shapes[1]} in this {type(module).__name__}; "
                "override only arguments that no parameter depends on, such as slots"
            )
        there, here = weights[name].dtype, own[name].dtype
        if not is_of_kind(weights[name], own[name]):
            raise ValueError(f"{folder} does not fit: {name} is {there} there and {here} in a {type(module).__name__}")


def is_of_kind(there: Any, here: Any) -> bool:
    """Whether the numbers of one tensor can take those of another: the same type, or both floating point."""
    if not isinstance(there, Tensor) or not isinstance(here, Tensor):  # extra state that a module keeps as it likes
        return isinstance(there, type(here))
    return there.dtype == here.dtype or (there.dtype in FLOATS and here.dtype in FLOATS)


def check_dense_tensors(weights: Any) -> None:
    """Raise TypeError or ValueError unless these are names with tensors whose numbers are there.

    What a module keeps beside its tensors (``get_extra_state``) may be anything.
    """
    if not isinstance(weights, Mapping) or not all(isinstance(name, str) for name in weights):
        raise TypeError("it holds no mapping of names to tensors")
    for name, value in weights.items():
        if name.endswith("_extra_state"):
            continue
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} is a {type(value).__name__}")
        check_dense(name, value)
        if value.is_meta:
            raise ValueError(f"{name} has no numbers")


def check_archive(path: Path) -> None:
    """Raise ValueError where a checkpoint would unpack to more than the file has, as torch writes none, or than fits.

    A file may say that it is far larger than what of it is stored.
    """
    size = path.stat().st_size
    if size > machine_memory():
        raise ValueError(f"{path} has {size / 2**30:.0f} GiB, more than this machine's memory")
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > size:
            raise ValueError(f"{path} unpacks to more than it holds")


def machine_memory() -> float:
    """Bytes, or infinity where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf
