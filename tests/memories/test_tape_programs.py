"""What tapes can do at all: programs by hand, of moves that are wholly one or another, solve tasks at any length."""

from types import SimpleNamespace

import pytest
import torch

from memnets.memories import TapeMemory
from memnets_tasks import DuplicateString, OddsFirst

STAY, LEFT, RIGHT, JUMP_LEFT = range(4)
BIT, WRITTEN, FIRST = range(3)
"""What a cell holds: the bit, whether there is one, and whether it is the first of the tape."""


class Heads:
    """Two tapes, and for each what its head writes and how it moves: by default it leaves all as it is."""

    def __init__(self, slots):
        self.memory = TapeMemory(slots, width=3, tapes=2, empty_channel=-1)
        self.state = self.memory.initial_state(1)
        self.reads = self.memory.initial_reads(self.state).view(2, 3)

    def step(self, x, moves, values=None):
        values = {**dict(enumerate(self.reads)), **(values or {})}
        parts = SimpleNamespace(
            moves=torch.eye(5)[moves].unsqueeze(0), values=torch.stack([values[0], values[1]]).unsqueeze(0)
        )
        reads, self.state = self.memory.step(parts, self.memory.observe(x.unsqueeze(0), self.state))
        self.reads = reads.view(2, 3)


def duplicate(inputs, slots):
    """Both tapes take the string. The second jumps back and gives it, while the first goes back and then gives it."""
    heads, answer, back, turned = Heads(slots), [], False, False
    for t, x in enumerate(inputs):
        if not x[-1]:
            cell = torch.tensor([x[1], 1, t == 0])
            heads.step(x, [RIGHT, RIGHT], {0: cell, 1: cell})
        elif not back:
            heads.step(x, [LEFT, RIGHT if answer else JUMP_LEFT])
            answer.append(heads.reads[1, BIT])
            back = bool(heads.reads[0, FIRST])
        else:
            heads.step(x, [RIGHT if turned else STAY, STAY])
            turned = True
            answer.append(heads.reads[0, BIT])
    return answer


def odds_first(inputs, slots):
    """Odd symbols to one tape, even ones to the other; both go back to their first, and one answers after the other."""
    heads, answer, begun = Heads(slots), [], [False, False]
    for t, x in enumerate(inputs):
        turn = t % 2
        if not x[-1]:
            heads.step(x, [RIGHT if k == turn else STAY for k in (0, 1)], {turn: torch.tensor([x[1], 1, t < 2])})
        elif not x[-2]:
            heads.step(x, [STAY if cell[FIRST] else LEFT for cell in heads.reads])
        else:
            heads.step(x, [RIGHT if begun[0] and not begun[1] else STAY, RIGHT if begun[1] else STAY])
            begun = [True, begun[1] or not heads.reads[0, WRITTEN]]
            answer.append(heads.reads[int(begun[1]), BIT])
    return answer


@pytest.mark.parametrize("length", [1, 2, 3, 8, 101])
@pytest.mark.parametrize(("program", "task"), [(duplicate, DuplicateString()), (odds_first, OddsFirst(computation=1))])
def test_two_tapes_are_enough(program, task, length):
    batch = task.sample(1, length, torch.Generator().manual_seed(length))
    assert program(batch.inputs[0], slots=256) == batch.targets[0][batch.mask[0]].argmax(-1).tolist()
