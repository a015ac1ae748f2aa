"""Dynamic n-grams: predict the bits of a source that has to be learnt from the bits seen so far."""

import math
from typing import Any, final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._entropy import bit_entropies, mean_bit_entropy
from memnets_tasks.algorithmic._layout import bit_text, steps
from memnets_tasks.algorithmic.optimal import optimal_predictions
from memnets_tasks.base import Batch, Task


@final
class DynamicNGrams(Task):
    """The dynamic n-grams task: each sequence comes from a random table of its own; predict every next bit.

    Graves et al. 2014, section 4.4 (arXiv:1410.5401). The table of a sequence holds one probability for each of
    the 2^(order - 1) contexts, which are the last order - 1 bits: that the next bit is 1. It is drawn from
    Beta(1/2, 1/2). The first order - 1 bits, which have no whole context, are fair coins (the paper's footnote).
    One sequence of ``length`` L bits has T = L - 1 steps, k = order - 1:

    | steps          | input | target    | scored |
    |----------------|-------|-----------|--------|
    | 0 to k - 2     | bit t | 0         | no     |
    | k - 1 to L - 2 | bit t | bit t + 1 | yes    |

    ``input_size`` and ``output_size`` are 1. The coins are not scored: nothing can predict them, and the optimal
    estimator of the paper (equation 10) is not defined for them. So 195 of 200 bits are, and the estimator needs
    128.3 bits a sequence (measured, 100,000 sequences, standard error 0.1). Scored, the coins would add 5 bits to
    that and to every network's cost; the paper does not say, but its figure 13, whose optimum lies above 130,
    seems to count them. Excess bits are the same either way.

    Errors are excess bits: what the network's predictions cost more, in bits a sequence, than the optimal
    estimator's on the same sequence. That is below zero where the network was the luckier of the two; its
    expectation never is. The ``threshold`` of 2.0 bits is the distance at which the paper's NTM stays from the
    optimum (read off its figure 13); the LSTM's is about 5.

    Args:
        order: n, the bits of an n-gram: the context's and the one to predict.
        min_length: Fewest bits in training.
        max_length: Most bits in training; the paper has 200 always.
        evaluation_lengths: Bits at which generalisation is measured.

    Raises:
        ValueError: If ``order`` is below 2, a length below ``order``, or ``max_length`` below ``min_length``.
    """

    def __init__(
        self,
        *,
        order: int = 6,
        min_length: int = 200,
        max_length: int = 200,
        evaluation_lengths: tuple[int, ...] = (200, 400, 1000),
    ) -> None:
        check_at_least("order", order, 2)
        self.order = order
        self.input_size = 1
        self.output_size = 1
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="bits", least=order)
        self.threshold = 2.0

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of tables, and a sequence from each.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Bits: one number for all sequences, or ``(B,)``, int64. At least ``order``.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch; its ``lengths`` are ``length - 1`` steps.

        Raises:
            ValueError: If ``batch_size`` is below 1 or a length below ``order``, or ``length`` has another shape or
                dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=self.order, unit=self.length_unit)
        longest, context = int(length.max()), self.order - 1

        # The distribution function of Beta(1/2, 1/2) is 2/pi arcsin(sqrt(p)).
        quantiles = torch.rand((batch_size, 2**context), generator=generator, device=device)
        table = torch.sin(quantiles * (math.pi / 2)).square()  # (B, 2^k)
        draws = torch.rand((longest, batch_size), generator=generator, device=device)
        bits = _draw_bits(table, draws, context)  # (B, L)

        t = steps(longest - 1, device)  # (1, T)
        lengths = length - 1
        within = t < lengths.unsqueeze(1)  # (B, T)
        mask = within & (t >= context - 1)
        inputs = (bits[:, :-1] * within).unsqueeze(-1)  # (B, T, 1)
        targets = (bits[:, 1:] * mask).unsqueeze(-1)  # (B, T, 1)
        return Batch(inputs, targets, mask, lengths)

    def optimal(self, batch: Batch) -> Tensor:
        """The optimal estimator's predictions on a batch, as probabilities ``(B, T, 1)``."""
        return optimal_predictions(batch.inputs[..., 0], order=self.order).unsqueeze(-1)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Binary cross entropy in nats, averaged over all scored bits of the batch.

        Args:
            outputs: ``(B, T, 1)``, the network's output, before the sigmoid.
            batch: The batch the output belongs to.

        Returns:
            A scalar, float32 or better.

        Raises:
            ValueError: If ``outputs`` does not have the shape of ``batch.targets``.
        """
        return mean_bit_entropy(outputs, batch)

    def errors(self, predictions: Tensor, batch: Batch) -> Tensor:
        """What the predictions cost more than the optimal estimator's: ``(B,)``, float32, in bits.

        A scored logit of NaN costs infinitely many. Takes and raises what ``loss`` does.
        """
        return _bits(predictions, batch) - _bits(torch.logit(self.optimal(batch)), batch)

    def scores(self, predictions: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Score a batch.

        Args:
            predictions: ``(B, T, 1)``, the network's output, before the sigmoid.
            batch: The batch the output belongs to.

        Returns:
            Scalars, in bits per sequence, averaged over sequences: ``excess``, what the predictions cost more than
            the optimal estimator's, which is what counts as errors; ``cost``, what they cost; ``optimal``, what the
            estimator's cost on the same sequences.

        Raises:
            ValueError: If ``predictions`` does not have the shape of ``batch.targets``.
        """
        cost = _bits(predictions, batch).mean()
        optimal = _bits(torch.logit(self.optimal(batch)), batch).mean()
        return {"excess": cost - optimal, "cost": cost, "optimal": optimal}

    def figures(self, batch: Batch, predictions: Tensor, trace: Any) -> dict[str, Any]:
        """The network's predictions over the optimal estimator's (the paper's figure 14), by file name.

        Args:
            batch: A batch; its first sequence is drawn.
            predictions: ``(B, T, 1)``, before the sigmoid.
            trace: The memory's trace, which is not needed.
        """
        from memnets import viz

        return {"predictions": viz.predictions_figure(batch, predictions.float().sigmoid(), self.optimal(batch))}

    def text(self, batch: Batch, index: int) -> str:
        """The bits of one sequence: those that are only given, and those that are to be predicted as well."""
        steps_of_it = int(batch.lengths[index])
        last = batch.targets[index, steps_of_it - 1]  # (1,), which is never given
        bits = bit_text(torch.cat([batch.inputs[index, :steps_of_it, 0], last]).unsqueeze(0))
        return f"given {bits[: self.order - 1]}; wanted {bits[self.order - 1 :]}"


def _draw_bits(table: Tensor, draws: Tensor, context: int) -> Tensor:
    """Bits ``(B, L)``, float32, from tables ``(B, 2^k)`` and uniform draws ``(L, B)``; the first k are fair.

    What each context would lead to is worked out for all steps at once, so that the loop over steps, in which
    each context depends on the last, is one look-up a step.
    """
    contexts = torch.arange(table.shape[1], device=table.device)
    coins = (draws[:context] < 0.5).long()  # (k, B)
    places = 2 ** torch.arange(context - 1, -1, -1, device=table.device)  # the oldest bit is the highest
    now = (coins * places.unsqueeze(1)).sum(0).unsqueeze(1)  # (B, 1)
    ones = draws[context:].unsqueeze(-1) < table  # (L - k, B, 2^k)
    following = (2 * contexts + ones) % table.shape[1]
    reached = []
    for after in following:
        now = after.gather(1, now)
        reached.append(now)
    bits = torch.cat([coins.T, torch.cat(reached, dim=1) % 2], dim=1)  # a context's lowest bit is its newest
    return bits.float()


def _bits(logits: Tensor, batch: Batch) -> Tensor:
    """The cost of each sequence ``(B,)`` in bits."""
    nats = bit_entropies(logits, batch).sum(dim=(1, 2))
    return torch.where(nats.isnan(), math.inf, nats / math.log(2)).float()
