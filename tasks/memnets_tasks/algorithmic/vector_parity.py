"""Parity of one vector: the task on which adaptive computation time was shown."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic.binary import BinaryTask
from memnets_tasks.base import Batch


@final
class VectorParity(BinaryTask):
    """Whether a vector holds an odd number of ones, asked after a single step.

    Graves 2016, "Adaptive Computation Time for Recurrent Neural Networks" (arXiv:1603.08983), section 3.1. A sequence
    is one step: of ``length`` n, a vector of ``size`` numbers of which n, at random places, are 1 or -1, the others 0.
    The target is 1 where the number of ones is odd. A network with no way to look twice has to know every such vector;
    the more numbers there are, the harder. Chance is half a wrong bit.

    Args:
        size: numbers of a vector; ``input_size``. ``output_size`` is 1.
        min_length: fewest numbers that are not 0 in training.
        max_length: most of them in training; ``size`` if None.
        evaluation_lengths: how many are not 0 in tests; a quarter of ``size`` apart if None.

    Raises:
        ValueError: If ``size`` or a length is below 1, or a length above ``size``.
    """

    def __init__(
        self,
        *,
        size: int = 64,
        min_length: int = 1,
        max_length: int | None = None,
        evaluation_lengths: tuple[int, ...] | None = None,
    ) -> None:
        check_at_least("size", size, 1)
        self.input_size, self.output_size = size, 1
        tested = sorted({max(1, size * part // 4) for part in range(1, 5)})
        longest = size if max_length is None else max_length
        set_lengths(self, min_length, longest, evaluation_lengths or tested, unit="numbers")
        for name, value in {"max_length": longest, "evaluation_lengths": max(self.evaluation_lengths)}.items():
            if value > size:
                raise ValueError(f"{name} has {value}, but a vector has size={size} numbers: give {size} at most")

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of vectors.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Numbers that are not 0: one for all sequences, or ``(B,)``, int64. From 1 to ``size``.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, a length above ``size``, or ``length`` has another
                shape or dtype.
        """
        device, size = generator.device, self.input_size
        assert size is not None
        length = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        if int(length.max()) > size:
            raise ValueError(f"length is {int(length.max())}, but a vector has size={size}: give {size} at most")
        places = torch.rand((batch_size, size), generator=generator, device=device).argsort(1).argsort(1)
        ones = torch.randint(2, (batch_size, size), generator=generator, device=device) > 0
        shown = places < length.unsqueeze(1)  # (B, size)
        numbers = torch.where(ones, 1.0, -1.0) * shown
        odd = (ones & shown).sum(1) % 2  # (B,)
        steps = torch.ones_like(length)
        return Batch(numbers.unsqueeze(1), odd.float().view(-1, 1, 1), steps.bool().unsqueeze(1), steps)

    def text(self, batch: Batch, index: int) -> str:
        """One vector, and the bit that is wanted."""
        numbers = " ".join(f"{int(number):+d}" if number else "0" for number in batch.inputs[index, 0].tolist())
        return f"given {numbers}; wanted {int(batch.targets[index, 0, 0])}"
