"""The fused NTM on CUDA, written by hand in Triton: one program a sample, the whole sequence in one launch each way.

The only folder of the kernels that knows a memory by name; it goes once kernels for CUDA are generated, too.
``forward`` and ``backward`` are the kernels, of the parts ``functions``, ``products``, ``addressing`` and ``memory``;
``calls`` brings the tensors; ``support`` knows what can run, and has the kernel tried (``trial``) before its first use
on a GPU. Only ``kernel`` and ``support`` can be imported without Triton.
"""

from .kernel import kernel_of
from .support import unavailable, unsupported

__all__ = ["kernel_of", "unavailable", "unsupported"]
