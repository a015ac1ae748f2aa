"""The fused NTM on the CPU: plain C, compiled at first use, the whole sequence in one call each way.

``build`` compiles, ``library`` calls, ``function`` gives torch the gradient, ``support`` knows what can run.
"""

from .function import run
from .support import parameters_of, unavailable, unsupported

__all__ = ["parameters_of", "run", "unavailable", "unsupported"]
