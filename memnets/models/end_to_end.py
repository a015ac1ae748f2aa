"""The end-to-end memory network: every sentence so far is a memory, asked several times over."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..base.checks import check_state, check_whole
from ..base.module import SequenceModule
from ..base.records import Record, RecordedSequence
from ..base.segments import clear_padding, run_in_segments
from ..base.state_types import known_state, register_state
from ..layers.attention import append_steps
from ..ops.precision import cut_off

INITIAL_SIZE = 0.1
"""Of the embeddings' weights at the start (section 4.2): questions then ask all sentences alike."""

LARGEST = 1e6
"""Beyond it numbers are cut off, whose products would overflow."""


@known_state
class SentenceState(NamedTuple):
    """What an end-to-end memory network carries, with zeros past a sequence's last step.

    Attributes:
        keys: the sentence up to each step, as it is compared (A), ``(B, N, D)``.
        values: the same as it is read (C), ``(B, N, D)``.
        ends: 1 where a sentence ends, ``(B, N)``, int64: only these are memories.
        steps: how many there are of each sequence, ``(B,)``, int64.
        sums: of the words of the sentence that is not at its end, ``(B, 3 D)``.
        placed: of these words times their places, from 1 on, ``(B, 3 D)``.
        words: how many that is, ``(B,)``, int64.
    """

    keys: Tensor
    values: Tensor
    ends: Tensor
    steps: Tensor
    sums: Tensor
    placed: Tensor
    words: Tensor


class EndToEndMemory(SequenceModule, RecordedSequence):
    """A memory of sentences, used like ``torch.nn.LSTM`` (but with the batch first): asked in hops by the present one.

    A sentence of J words is ``m = sum_j l_j * A x_j`` with ``l_kj = (1 - j / J) - (k / D) (1 - 2 j / J)`` for number k
    (section 4.1, position encoding), and once more with C for what is read. At each step the sentence so far, by an
    embedding B of its own, is the question u: ``o = sum_i softmax(u . (m_i + T_A(age))) (c_i + T_C(age))`` over the
    sentences that have ended, T learned for each age, then ``u <- H u + o``, hop after hop; A and C are the same in all
    (section 2.2, layer-wise tying). The output is ``u + o`` of the last hop.

    >>> model = EndToEndMemory(32, 32, vocabulary=40, output_size=40, sentence_ends=(1, 2))  # "-" and "." of BAbI
    >>> logits, state = model(torch.randint(40, (4, 50)))  # (4, 50, 40)

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: D.
        hops: how often the memories are asked.
        sentence_ends: tokens after which a new sentence begins; None where every step is a sentence.
        ages: how many of the last sentences are told apart by their age; older ones are of one age.
        output_size: O, or None for D.
        vocabulary: number of tokens, for inputs of whole numbers ``(B, T)``; None for inputs of numbers.
        batch_first: inputs and outputs are ``(B, T, .)`` if True, ``(T, B, .)`` if False.
        truncated_bptt_steps: cut the gradient each time this many steps have passed, or None for never.
        check_finite: refuse inputs with NaN or Inf.
        device: where the weights are, the CPU if None.
        dtype: their precision, torch's default if None.

    Raises:
        ValueError: a size below 1, or ``sentence_ends`` without ``vocabulary`` or outside it.

    Source:
        @inproceedings{sukhbaatar2015end, title={End-To-End Memory Networks}, author={Sukhbaatar, Sainbayar and Szlam,
        Arthur and Weston, Jason and Fergus, Rob}, booktitle={NIPS}, year={2015}}, arXiv:1503.08895. Here questions are
        remembered as other sentences are, and A, B and C are one embedding with a matrix each.
    """

    growing = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        hops: int = 3,
        sentence_ends: Sequence[int] | None = None,
        ages: int = 50,
        output_size: int | None = None,
        vocabulary: int | None = None,
        batch_first: bool = True,
        truncated_bptt_steps: int | None = None,
        check_finite: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(
            input_size,
            hidden_size,
            output_size=output_size,
            vocabulary=vocabulary,
            batch_first=batch_first,
            check_finite=check_finite,
        )
        for name, value in {"hidden_size": hidden_size, "hops": hops, "ages": ages}.items():
            check_whole(name, value)
        if truncated_bptt_steps is not None:
            check_whole("truncated_bptt_steps", truncated_bptt_steps)
        self.truncated_bptt_steps = truncated_bptt_steps
        for token in sentence_ends or ():
            if vocabulary is None or not 0 <= token < vocabulary:
                raise ValueError(
                    f"sentence_ends has {token}, but vocabulary is {vocabulary}: give tokens within it, or None where "
                    "every step is a sentence"
                )
        self.hidden_size, self.hops, self.ages = hidden_size, hops, ages
        self.sentence_ends = None if sentence_ends is None else tuple(sentence_ends)
        self.project = nn.Linear(input_size, 3 * hidden_size, bias=False)  # A, C and B
        nn.init.normal_(self.project.weight, std=INITIAL_SIZE)
        self.turn = nn.Linear(hidden_size, hidden_size, bias=False)  # H
        self.key_ages = nn.Parameter(0.1 * torch.randn(ages, hidden_size))
        self.value_ages = nn.Parameter(0.1 * torch.randn(ages, hidden_size))
        register_state(self.make_state(1, device=torch.device("meta")))
        self.place(device, dtype)

    def make_state(self, batch_size: int, *, device: torch.device | None = None) -> SentenceState:
        """No sentence yet."""
        weight = self.turn.weight
        device = device or weight.device

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(batch_size, *shape, device=device, dtype=weight.dtype)

        def counts(*shape: int) -> Tensor:
            return torch.zeros(batch_size, *shape, device=device, dtype=torch.int64)

        size = self.hidden_size
        return SentenceState(
            zeros(0, size), zeros(0, size), counts(0), counts(), zeros(3 * size), zeros(3 * size), counts()
        )

    def check_state(self, state: SentenceState, batch_size: int, device: torch.device) -> None:
        """Raise ValueError or TypeError unless ``state`` is one of this module's for ``batch_size`` sequences."""
        check_state(state, self.make_state(batch_size, device=torch.device("meta")), device, growing=True)

    def _prepare(self, inputs: Tensor) -> Tensor:
        """With a last feature that is 1 where a sentence ends, ``(B, T, I + 1)``."""
        features = super()._prepare(inputs)
        ends = features.new_ones(*features.shape[:2])
        if self.sentence_ends is not None:
            tokens = inputs if self.batch_first else inputs.transpose(0, 1)
            ends = torch.stack([tokens == token for token in self.sentence_ends]).any(0).to(features.dtype)
        return torch.cat([features, ends.unsqueeze(-1)], -1)

    def run(self, inputs: Tensor, state: SentenceState, lengths: list[int] | None) -> tuple[Tensor, SentenceState]:
        """The memories over ``inputs (B, T, I + 1)``."""
        given = None if lengths is None else torch.as_tensor(lengths, device=inputs.device)
        if given is not None:
            inputs = clear_padding(inputs, given)
        return run_in_segments(self._run, inputs, state, given, self.truncated_bptt_steps)

    def _run(self, inputs: Tensor, state: SentenceState, given: Tensor | None) -> tuple[Tensor, SentenceState]:
        ended = inputs[..., -1].long()  # (B, T)
        words = cut_off(self.project(inputs[..., :-1]).to(state.sums.dtype), LARGEST)  # (B, T, 3 D)
        sums, placed, place = _running(words, ended, state)
        keys, values, question = encode(sums, placed, place).chunk(3, dim=-1)  # (B, T, D) each
        total = state.steps + (inputs.shape[1] if given is None else given)
        cache = [
            _cleared(append_steps(old, new, state.steps), total)
            for old, new in ((state.keys, keys), (state.values, values), (state.ends, ended))
        ]
        keys, values, ends = cache
        outputs = self._hops(question, keys, values, ends, state.steps)
        rest = 1 - ended.unsqueeze(-1)
        carried = [
            _at_end(old, new, given)
            for old, new in (
                (state.sums, sums * rest),
                (state.placed, placed * rest),
                (state.words, place * rest[..., 0]),
            )
        ]
        return outputs, SentenceState._make([*cache, total, *carried])

    def _hops(self, u: Tensor, keys: Tensor, values: Tensor, ends: Tensor, start: Tensor) -> Tensor:
        """``u (B, T, D)``, questions that begin at step ``start (B,)`` of their sequences, to the answers."""
        at = start.unsqueeze(1) + torch.arange(u.shape[1], device=u.device)  # (B, T)
        slots = torch.arange(keys.shape[1], device=u.device)
        visible = (ends.unsqueeze(1) > 0) & (slots < at.unsqueeze(-1))  # (B, T, N)
        number = ends.cumsum(1)  # (B, N), of the sentence that ends there, from 1 on
        ended = (visible * number.unsqueeze(1)).amax(-1, keepdim=True)  # (B, T, 1), sentences so far
        ages = (ended - number.unsqueeze(1)).clamp(0, self.ages - 1)  # (B, T, N)
        key_ages, value_ages = self.key_ages[ages], self.value_ages[ages]  # (B, T, N, D)
        o, every = torch.zeros_like(u), []
        for hop in range(self.hops):
            u = self.turn(u) + o if hop else u
            scores = u @ keys.transpose(-1, -2) + (key_ages @ u.unsqueeze(-1)).squeeze(-1)  # (B, T, N)
            shares = (
                scores.masked_fill(~visible, torch.finfo(scores.dtype).min).softmax(-1) * visible
            )  # nothing is recalled of no sentence
            every.append(shares)
            o = shares @ values + (shares.unsqueeze(-2) @ value_ages).squeeze(-2)
        if self.recorder is not None:
            self.recorder({"attention": Record(torch.stack(every, 2), "weighting")})
        return u + o


def encode(sums: Tensor, placed: Tensor, words: Tensor) -> Tensor:
    """``sum_j l_j x_j`` of J words, from their sum and that of each times its place: section 4.1.

    Args:
        sums: ``(B, T, 3 D)``, for three embeddings.
        placed: ``(B, T, 3 D)``.
        words: J, ``(B, T)``.
    """
    size = sums.shape[-1] // 3
    k = torch.arange(1, size + 1, device=sums.device, dtype=sums.dtype).div(size).repeat(3)  # k / D
    mean = placed / words.unsqueeze(-1)
    return sums - mean - k * (sums - 2 * mean)


def _running(words: Tensor, ends: Tensor, state: SentenceState) -> tuple[Tensor, Tensor, Tensor]:
    """The words of each step's sentence up to it: their sum, that of each times its place, and how many there are."""
    count = words.shape[1]
    sentence = ends.cumsum(1) - ends  # (B, T), how many ended before
    first = sentence == 0  # goes on with what was carried
    t = torch.arange(count, device=words.device)
    same = (sentence.unsqueeze(-1) == sentence.unsqueeze(1)) & (t <= t.unsqueeze(1))  # (B, T, T): s with t, up to it
    place = same.sum(-1) + state.words.unsqueeze(1) * first  # (B, T)
    within, carried = same.to(words.dtype), first.to(words.dtype).unsqueeze(-1)
    sums = within @ words + carried * state.sums.unsqueeze(1)
    placed = within @ (words * place.unsqueeze(-1)) + carried * state.placed.unsqueeze(1)
    return sums, placed, place


def _cleared(slots: Tensor, total: Tensor) -> Tensor:
    if slots.dim() == 2:
        return clear_padding(slots.unsqueeze(-1), total).squeeze(-1)
    return clear_padding(slots, total)


def _at_end(old: Tensor, every: Tensor, lengths: Tensor | None) -> Tensor:
    """``every (B, T, ...)`` at each sequence's last step, ``old`` where it has none."""
    if lengths is None:
        return every[:, -1]
    joined = torch.cat([old.unsqueeze(1), every], 1)
    return joined.take_along_dim(lengths.view(-1, *[1] * (joined.dim() - 1)), dim=1).squeeze(1)
