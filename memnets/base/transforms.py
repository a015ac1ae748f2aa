"""Function transforms of torch (``torch.func``, forward-mode differentiation), and export."""

import torch


@torch.compiler.assume_constant_result  # the compiler enters transforms as it meets them: it may look, too
def transformed() -> bool:
    """Whether a function transform or forward-mode differentiation is at work."""
    if torch.autograd.forward_ad._current_level >= 0:
        return True
    return torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore[reportAttributeAccessIssue]


@torch.compiler.assume_constant_result  # older releases trace it as always true
def exporting() -> bool:
    """Whether the module becomes a program for elsewhere: by ``torch.export`` or ``torch.onnx``."""
    return torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export()
