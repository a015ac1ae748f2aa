"""The fused NTM on CUDA, in Triton: one program a sample, the whole sequence in one launch each way.

``forward`` and ``backward`` are the kernels, of the parts ``functions``, ``products``, ``addressing`` and ``memory``;
``calls`` brings the tensors; ``support`` knows what can run, and has the kernel tried (``trial``) before its first use
on a GPU. Only these two can be imported without Triton.
"""

from .support import unavailable, unsupported

__all__ = ["unavailable", "unsupported"]
