"""Sequence modules: used like ``torch.nn.LSTM``, whatever computes them."""

import abc
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .checks import (
    check_dtype,
    check_finite,
    check_inputs,
    check_length_tensor,
    check_lengths,
    check_resets,
    check_state,
    check_tokens,
    check_whole,
)
from .model import Model, TrainingOutputs, as_parameters, check_sizes
from .saving import Pretrained
from .segments import clear_padding, run_between
from .state import dense_state, map_state
from .task import Task
from .transforms import exporting


class SequenceModule(Model, Pretrained):
    """A module over whole sequences with the contract of ``torch.nn.LSTM``: states, lengths, token inputs.

    A subclass defines :meth:`initial_state` and :meth:`run`, which may go step by step or over all steps at once; the
    checks, the embedding of tokens, the layout and the output projection are here.

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        features: what :meth:`run` gives a step.
        output_size: O; outputs are projected to this size, or are those of :meth:`run` if None.
        vocabulary: number of tokens; inputs are then whole numbers ``(B, T)`` below it. None for inputs of numbers.
        batch_first: inputs and outputs are ``(B, T, .)`` if True, ``(T, B, .)`` if False; states are batch first.
        check_finite: refuse inputs with NaN or Inf (costs a pass over the inputs).

    Raises:
        ValueError: a size below 1.
    """

    carries_state = True
    makes_own_state = False
    """Whether :meth:`run` makes the state before the first step itself where it is given None."""

    def __init__(
        self,
        input_size: int,
        features: int,
        *,
        output_size: int | None = None,
        vocabulary: int | None = None,
        batch_first: bool = True,
        check_finite: bool = False,
    ):
        super().__init__()
        sizes = {"input_size": input_size, "output_size": output_size, "vocabulary": vocabulary}
        for name, value in sizes.items():
            if value is not None:
                check_whole(name, value)
        self.input_size = input_size
        self.output_size: int = output_size or features
        self.vocabulary = vocabulary
        self.batch_first = batch_first
        self.check_finite = check_finite
        self.embedding = nn.Embedding(vocabulary, input_size) if vocabulary else None
        self.output = nn.Linear(features, output_size) if output_size else None

    @abc.abstractmethod
    def make_state(self, batch_size: int, *, device: torch.device | None = None) -> Any:
        """The state before the first step, on the parameters' device unless told.

        Sequences may share its numbers (:func:`memnets.base.state.repeat_state`).
        """

    @abc.abstractmethod
    def run(self, inputs: Tensor, state: Any, lengths: Any) -> tuple[Tensor, Any]:
        """The module itself.

        Args:
            inputs: ``(B, T, I)``.
            state: before the first step; None, with ``makes_own_state``, for that of :meth:`make_state`.
            lengths: a list of B whole numbers within 0..T, or None where all have T steps. (Where
                :meth:`read_lengths` says otherwise, a tensor.)

        Returns:
            ``(B, T, features)``, of which what stands past a sequence's length does not matter, and the state after
            each sequence's last step.
        """

    def auxiliary_loss(self, state: Any) -> Tensor | None:
        """A scalar that training adds to the task's loss, from the last state; None for none."""
        del state

    def initial_state(self, batch_size: int) -> Any:
        """The state before the first step, for ``batch_size`` sequences."""
        check_whole("batch_size", batch_size)
        return dense_state(self.make_state(batch_size))

    def forward(
        self,
        inputs: Tensor,
        state: Any = None,
        lengths: Tensor | Sequence[int] | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Tensor, Any]:
        """Run over a batch of sequences; or over one without a batch, as ``torch.nn.LSTM`` does.

        Args:
            inputs: ``(B, T, I)``, or with ``vocabulary`` whole numbers ``(B, T)``; steps first without ``batch_first``.
                Of one sequence ``(T, I)`` or ``(T,)``: outputs and states then have no batch either, ``lengths`` is a
                number, and ``resets`` is ``(T,)``.
            state: as returned by an earlier call, to go on with the same sequences; None starts afresh.
            lengths: ``(B,)`` whole numbers within 0..T. Steps past a sequence's length leave its state as it was and
                output zeros. None means that all have T steps. Give ``torch.compile`` and
                ``torch.export`` a tensor: one graph then serves all lengths.
            resets: laid out as the steps of ``inputs``, bool: where it is True a sequence starts afresh, so that the
                state before that step is the initial one. Episodes of reinforcement learning stand in one batch so.
                Steps are taken together between those at which any sequence starts.

        Returns:
            Outputs ``(B, T, O)`` (or ``(T, B, O)``), and the state after each sequence's last step.

        Raises:
            ValueError, TypeError: inputs, state or lengths do not fit; the message says how.
        """
        if self.is_unbatched(inputs):
            return self._run_one(inputs, state, lengths, resets)
        inputs = self._prepare(inputs)  # (B, T, I)
        batch_size = inputs.shape[0]
        if state is not None:
            self.check_state(state, batch_size, inputs.device)
        elif resets is not None or not self.makes_own_state:
            state = self.make_state(batch_size)
        counts = None if lengths is None else self.read_lengths(lengths, inputs)
        if resets is None:
            outputs, state = self.run(inputs, state, counts)
        else:
            check_resets(resets, inputs, self.batch_first)
            outputs, state = self.run_with_resets(resets if self.batch_first else resets.t(), inputs, state, counts)
        if self.output is not None:
            outputs = self.output(outputs)  # (B, T, O)
        if counts is not None:
            outputs = clear_padding(outputs, counts)
        return (outputs if self.batch_first else outputs.transpose(0, 1)), state

    def is_unbatched(self, inputs: Any) -> bool:
        """Whether ``inputs`` are of one sequence, without a batch."""
        if not isinstance(inputs, Tensor):
            return False
        return inputs.dim() == 1 if self.embedding is not None else inputs.dim() == 2 and inputs.is_floating_point()

    def _run_one(self, inputs: Tensor, state: Any, lengths: Any, resets: Tensor | None) -> tuple[Tensor, Any]:
        """:meth:`forward` of one sequence, as a batch of one."""
        batch = 0 if self.batch_first else 1
        if state is not None:
            state = map_state(lambda tensor: tensor.unsqueeze(0), state)
        if lengths is not None and not isinstance(lengths, Tensor):
            lengths = [lengths]
        elif lengths is not None:
            lengths = lengths.reshape(1)
        resets = None if resets is None else resets.unsqueeze(batch)
        outputs, state = self(inputs.unsqueeze(batch), state, lengths, resets)
        return outputs.squeeze(batch), map_state(lambda tensor: tensor.squeeze(0), state)

    def place(self, device: Any, dtype: torch.dtype | None) -> None:
        """Move what was just made, as the arguments of a constructor say; None leaves it where it is.

        Weights are drawn on the CPU in the default precision, so that a seed gives the same ones everywhere.
        """
        if device is not None or dtype is not None:
            self.to(device=device, dtype=dtype)

    def run_with_resets(self, resets: Tensor, inputs: Tensor, state: Any, counts: Any) -> tuple[Tensor, Any]:
        """:meth:`run` where sequences start afresh at steps ``resets (B, T)``."""
        cut = getattr(self, "truncated_bptt_steps", None)
        return run_between(self.run, self.make_state, resets, inputs, state, counts, cut)

    def _prepare(self, inputs: Tensor) -> Tensor:
        """Checked, batch first, and tokens as their embeddings."""
        if self.embedding is not None:
            check_tokens(inputs, self.embedding.num_embeddings, self.batch_first)
            return self.embedding(inputs if self.batch_first else inputs.transpose(0, 1))
        check_inputs(inputs, self.input_size, self.batch_first)
        check_dtype(inputs, self)
        inputs = inputs if self.batch_first else inputs.transpose(0, 1)
        if self.check_finite:
            check_finite(inputs)
        return inputs

    def check_state(self, state: Any, batch_size: int, device: torch.device) -> None:
        """Raise ValueError or TypeError unless ``state`` is one of this module's for ``batch_size`` sequences."""
        check_state(state, self.make_state(batch_size, device=torch.device("meta")), device)

    def read_lengths(self, lengths: Tensor | Sequence[int], inputs: Tensor) -> Any:
        """The lengths as a list of whole numbers within 0..T, for ``inputs (B, T, I)``.

        As they are, a tensor, where a program is exported that must serve any lengths.
        """
        if isinstance(lengths, Tensor) and exporting():
            return check_length_tensor(lengths, inputs.shape[0])
        return check_lengths(lengths, *inputs.shape[:2])

    def training_outputs(self, batch: Any, state: Any = None) -> TrainingOutputs:
        """Outputs ``(B, T, O)`` of a batch with ``inputs`` and ``lengths``, the auxiliary loss, and the state."""
        outputs, state = self(as_parameters(self, batch.inputs), state, lengths=batch.lengths)
        return TrainingOutputs(outputs, self.auxiliary_loss(state), predictions=outputs.detach(), state=state)

    def predict(self, batch: Any) -> Tensor:
        """Outputs ``(B, T, O)`` of a batch with ``inputs`` and ``lengths``."""
        return self(as_parameters(self, batch.inputs), lengths=batch.lengths)[0]

    def check_task(self, task: Task) -> None:
        """Raise ValueError unless the sizes are those of ``task``, and the batch comes first."""
        check_sizes(self, task)


def check_network(name: str, network: Any, owner: str) -> SequenceModule:
    """``network``, the argument ``name`` of ``owner``, which must go over sequences of numbers, batch first.

    Raises:
        TypeError: it is no :class:`SequenceModule`.
        ValueError: it takes tokens, or steps first.
    """
    if not isinstance(network, SequenceModule):
        raise TypeError(
            f"{name} is a {type(network).__name__}, but must be a SequenceModule such as memnets.LSTM: one of "
            f"your own is handed in again, as in {owner}.from_pretrained(folder, {name}=...)"
        )
    if network.embedding is not None or not network.batch_first:
        raise ValueError(f"{name} must take numbers, batch first: leave its vocabulary and batch_first out")
    return network
