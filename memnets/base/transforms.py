"""Function transforms of torch (``torch.func``, forward-mode differentiation), which not every operator knows."""

import torch


@torch.compiler.assume_constant_result  # the compiler enters transforms as it meets them: it may look, too
def transformed() -> bool:
    """Whether a function transform or forward-mode differentiation is at work."""
    if torch.autograd.forward_ad._current_level >= 0:
        return True
    return torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore[reportAttributeAccessIssue]
