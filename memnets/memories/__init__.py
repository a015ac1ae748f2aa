"""Memories: one a file, each a step in plain PyTorch, driven by whatever a controller emits."""

from .base import Memory
from .delta import DeltaMemory, DeltaState
from .dnc import DNCMemory, DNCState
from .interface import Interface, Part
from .mann import MANNMemory, MANNState
from .neural_stack import NeuralStackMemory, NeuralStackState
from .nondeterministic_stack import NondeterministicStackMemory, NondeterministicStackState
from .ntm import NTMMemory, NTMState
from .sam import SAMMemory, SAMState
from .sdnc import SDNCMemory, SDNCState
from .stack import StackMemory, StackState
from .tape import TapeMemory, TapeState

__all__ = [
    "DNCMemory",
    "DNCState",
    "DeltaMemory",
    "DeltaState",
    "Interface",
    "MANNMemory",
    "MANNState",
    "Memory",
    "NTMMemory",
    "NTMState",
    "NeuralStackMemory",
    "NeuralStackState",
    "NondeterministicStackMemory",
    "NondeterministicStackState",
    "Part",
    "SAMMemory",
    "SAMState",
    "SDNCMemory",
    "SDNCState",
    "StackMemory",
    "StackState",
    "TapeMemory",
    "TapeState",
]
