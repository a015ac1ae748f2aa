"""The fused NTM on the CPU: plain C, compiled at first use, the whole sequence in one call each way.

``build`` compiles, ``library`` calls, ``calls`` brings the tensors, ``support`` knows what can run.
"""

from .support import unavailable, unsupported

__all__ = ["unavailable", "unsupported"]
