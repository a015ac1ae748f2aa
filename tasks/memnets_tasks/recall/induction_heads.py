"""Induction heads: say what followed a special token when it came before."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._draw import up_to
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.base import Batch
from memnets_tasks.token_task import TokenTask


@final
class InductionHeads(TokenTask):
    """Induction heads: the token that followed a special one, when that comes again.

    Gu & Dao 2023, "Mamba" (arXiv:2312.00752), section 4.1.2, after Dao et al. 2023, "Hungry Hungry Hippos"
    (arXiv:2212.14052) and Olsson et al. 2022. A sequence of ``length`` T:

    | steps                | inputs                  | targets               | scored |
    |----------------------|-------------------------|-----------------------|--------|
    | p, of 0 to T - 3     | the special token V - 1 | 0                     | no     |
    | the others to T - 2  | any of 0 to V - 2       | 0                     | no     |
    | T - 1                | the special token       | the token of step p+1 | yes    |

    Args:
        vocabulary: V, tokens in all, the special one included.
        min_length: Shortest sequence in training; the paper trains on 256 alone.
        max_length: Longest sequence in training.
        evaluation_lengths: Lengths at which generalisation is measured; the paper goes on to 2^20.

    Raises:
        ValueError: If ``vocabulary`` is below 3, or a length below 3.
    """

    def __init__(
        self,
        *,
        vocabulary: int = 16,
        min_length: int = 64,
        max_length: int = 256,
        evaluation_lengths: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048),
    ) -> None:
        check_at_least("vocabulary", vocabulary, 3)
        self.vocabulary = self.output_size = vocabulary
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="tokens", least=3)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of sequences.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Tokens of a sequence: one number for all, or ``(B,)``, int64. At least 3.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` is below 1, a length below 3, or ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=3, unit=self.length_unit)
        t = steps(length.max(), device)  # (1, T)
        last = length.unsqueeze(1) - 1  # (B, 1)
        tokens = torch.randint(self.vocabulary - 1, (batch_size, t.shape[1]), generator=generator, device=device)
        place = up_to(length - 2, generator).unsqueeze(1)  # (B, 1)
        mask = t == last
        inputs = torch.where((t == place) | mask, self.vocabulary - 1, tokens) * (t <= last)
        return Batch(inputs, inputs.gather(1, place + 1) * mask, mask, length)

    def text(self, batch: Batch, index: int) -> str:
        """One sequence, the special token as ``*``, and the token that is wanted."""
        given = batch.inputs[index, : int(batch.lengths[index])].tolist()
        shown = " ".join("*" if token == self.vocabulary - 1 else str(token) for token in given)
        return f"given {shown}; wanted {int(batch.targets[index][batch.mask[index]])}"
