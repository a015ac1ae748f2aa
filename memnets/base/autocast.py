"""Autocast on any type of device, also on those that have none (``meta``)."""

from contextlib import AbstractContextManager, nullcontext

import torch


@torch.compiler.assume_constant_result  # which older compilers cannot look at
def _available(device_type: str) -> bool:
    return torch.amp.is_autocast_available(device_type)


def autocasts(device_type: str) -> bool:
    """Whether autocast chooses the precision of operations on such a device."""
    return _available(device_type) and torch.is_autocast_enabled(device_type)


def without_autocast(device_type: str) -> AbstractContextManager[object]:
    """A region in which autocast does not take products to half precision."""
    return torch.autocast(device_type, enabled=False) if autocasts(device_type) else nullcontext()
