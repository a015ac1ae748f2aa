"""Copy: repeat a sequence of random vectors after it has ended."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import bit_text, random_bits, steps, take_steps
from memnets_tasks.algorithmic.binary import BinaryTask
from memnets_tasks.base import Batch


@final
class Copy(BinaryTask):
    """The copy task: store L random vectors, then output them in order.

    Graves et al. 2014, section 4.1. One sequence of ``length`` L has T = 2 L + 1 steps:

    | steps          | inputs, bit channels | delimiter channel | targets       | scored |
    |----------------|----------------------|-------------------|---------------|--------|
    | 0 to L - 1     | vector t             | 0                 | 0             | no     |
    | L              | 0                    | 1                 | 0             | no     |
    | L + 1 to 2 L   | 0                    | 0                 | vector t-L-1  | yes    |

    ``input_size`` is bits + 1 (the delimiter is the last channel), ``output_size`` is bits.

        @article{graves2014neural,
          title={Neural Turing Machines},
          author={Graves, Alex and Wayne, Greg and Danihelka, Ivo},
          journal={arXiv preprint arXiv:1410.5401},
          year={2014}
        }

    Args:
        bits: Bits of each vector.
        min_length: Fewest vectors in training.
        max_length: Most vectors in training.
        evaluation_lengths: Vectors at which generalisation is measured; the paper shows 10 to 120.

    Raises:
        ValueError: If ``bits`` or a length is below 1, or ``max_length`` is below ``min_length``.
    """

    def __init__(
        self,
        *,
        bits: int = 8,
        min_length: int = 1,
        max_length: int = 20,
        evaluation_lengths: tuple[int, ...] = (20, 40, 80, 120),
    ) -> None:
        check_at_least("bits", bits, 1)
        self.bits = bits
        self.input_size = bits + 1
        self.output_size = bits
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="vectors")

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of sequences to copy.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Vectors to copy: one number for all sequences, or ``(B,)``, int64. At least 1.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch; its ``lengths`` are ``2 * length + 1`` steps.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, or ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        lengths = 2 * length + 1
        t = steps(lengths.max(), device)  # (1, T)
        delimiter = length.unsqueeze(1)  # (B, 1), the step of the delimiter

        vectors = random_bits((batch_size, int(length.max()), self.bits), generator)  # (B, L, bits)
        shown = take_steps(vectors, t.expand(batch_size, -1), t < delimiter)  # (B, T, bits)
        mask = (t > delimiter) & (t < lengths.unsqueeze(1))  # (B, T)
        targets = take_steps(vectors, t - delimiter - 1, mask)  # (B, T, bits)
        inputs = torch.cat([shown, (t == delimiter).unsqueeze(-1).float()], dim=-1)  # (B, T, bits + 1)
        return Batch(inputs, targets, mask, lengths)

    def text(self, batch: Batch, index: int) -> str:
        """The vectors of one sequence, and the same again as they are wanted."""
        given = batch.inputs[index, : batch.lengths[index] // 2, : self.bits]  # (L, bits)
        return f"given {bit_text(given)}; wanted {bit_text(batch.targets[index][batch.mask[index]])}"
