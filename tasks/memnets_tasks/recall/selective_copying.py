"""Selective copying: repeat the tokens that stood scattered among blanks."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.base import Batch
from memnets_tasks.token_task import TokenTask


@final
class SelectiveCopying(TokenTask):
    """Selective copying: give back, in order, the tokens that stood among blanks.

    Gu & Dao 2023, "Mamba" (arXiv:2312.00752), section 4.1.1, in the format of Poli et al. 2024, "Mechanistic Design and
    Scaling of Hybrid Architectures" (MAD, arXiv:2403.17844). With n tokens to copy, a sequence of ``length`` T is

    | steps           | inputs                                       | targets       | scored |
    |-----------------|----------------------------------------------|---------------|--------|
    | 0 to T - n - 2  | the n tokens, in order, at any of these steps;| 0            | no     |
    |                 | blanks (V - 2) elsewhere                      |              |        |
    | T - n - 1       | the copy token (V - 1)                       | 0             | no     |
    | T - n to T - 1  | blanks                                       | the n tokens  | yes    |

    Every choice of steps for the tokens is as likely as any other. MAD's code, unlike its text, has the last token
    stand right before the copy token.

    Args:
        vocabulary: V, tokens in all: V - 2 to be copied, the blank and the copy token.
        tokens: n, tokens to copy.
        min_length: Shortest sequence in training.
        max_length: Longest sequence in training.
        evaluation_lengths: Lengths at which generalisation is measured.

    Raises:
        ValueError: If ``vocabulary`` is below 3, ``tokens`` below 1, or a length below 2 n + 1.
    """

    def __init__(
        self,
        *,
        vocabulary: int = 16,
        tokens: int = 16,
        min_length: int = 64,
        max_length: int = 256,
        evaluation_lengths: tuple[int, ...] = (256, 512, 1024),
    ) -> None:
        check_at_least("vocabulary", vocabulary, 3)
        check_at_least("tokens", tokens, 1)
        self.vocabulary = self.output_size = vocabulary
        self.tokens = tokens
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="tokens", least=2 * tokens + 1)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of sequences to copy from.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Tokens of a sequence, all told: one number for all, or ``(B,)``, int64. At least 2 n + 1.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` is below 1, a length below 2 n + 1, or ``length`` has another shape or dtype.
        """
        device, n = generator.device, self.tokens
        length = expand_counts("length", length, batch_size, device, minimum=2 * n + 1, unit=self.length_unit)
        t = steps(length.max(), device)  # (1, T)
        copying = (length - n - 1).unsqueeze(1)  # (B, 1), the step of the copy token
        drawn = torch.randint(self.vocabulary - 2, (batch_size, n), generator=generator, device=device)
        chances = torch.rand((batch_size, t.shape[1]), generator=generator, device=device)
        places = chances.masked_fill(t >= copying, -1.0).topk(n, dim=1).indices.sort(dim=1).values  # (B, n)

        blank = torch.full_like(t, self.vocabulary - 2).expand(batch_size, -1)
        inputs = torch.where(t == copying, self.vocabulary - 1, blank.scatter(1, places, drawn))
        mask = (t > copying) & (t < length.unsqueeze(1))
        answers = drawn.gather(1, (t - copying - 1).clamp(0, n - 1))
        return Batch(inputs * (t < length.unsqueeze(1)), answers * mask, mask, length)

    def text(self, batch: Batch, index: int) -> str:
        """One sequence, a dot for each blank, and the tokens that are wanted."""
        shown = batch.inputs[index, : int(batch.lengths[index]) - self.tokens].tolist()
        given = ["." if token == self.vocabulary - 2 else str(token) for token in shown[:-1]]
        wanted = batch.targets[index][batch.mask[index]].tolist()
        return f"given {' '.join(given)} copy; wanted {' '.join(map(str, wanted))}"
