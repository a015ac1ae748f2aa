"""What training asks of a model, and sequence modules: used like ``torch.nn.LSTM``, whatever computes them."""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .adopting import Adopted, adopt_matching
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
    first_parameter,
)
from .saving import Pretrained
from .state import dense_state, detach_state, index_state, map_state, where_state
from .task import Task
from .transforms import exporting


class TrainingOutputs(NamedTuple):
    """What a model makes of a training batch.

    Attributes:
        outputs: what the task's loss is computed of.
        auxiliary_loss: a scalar of the model's own that is added to the loss, such as a ponder cost; or None.
        numbers: scalars to report beside the loss.
        predictions: what :meth:`Model.predict` would give, where the outputs are that already, without a gradient;
            None where predicting takes a run of its own.
        state: after the last step, of a model that can go on from it; None of others.
    """

    outputs: Any
    auxiliary_loss: Tensor | None = None
    numbers: Mapping[str, Tensor] = {}
    predictions: Any = None
    state: Any = None


class Model(nn.Module, abc.ABC):
    """A network that can be trained on a task.

    What a model gives at training may be something else than what it predicts: a decoder is fed the right symbols
    while it learns, and its own when it is scored.

    Attributes:
        carries_state: whether ``training_outputs`` takes a second argument, the state that it gave for the piece of a
            sequence before (None for the first), and the model has ``initial_state(batch_size)``. Training on a
            :class:`memnets_tasks.StreamTask` then carries it over.
    """

    carries_state: bool = False

    @abc.abstractmethod
    def training_outputs(self, batch: Any) -> TrainingOutputs:
        """What the task's loss of ``batch`` is computed of."""

    @abc.abstractmethod
    def predict(self, batch: Any) -> Any:
        """What the task's scores and errors of ``batch`` are computed of."""

    def check_task(self, task: Task) -> None:
        """Raise ValueError where the model's sizes or symbols are not those of ``task``; nothing by default."""

    def figures(self, batch: Any, predictions: Any) -> dict[str, Any]:
        """Figures of what the model made of a batch of one, by file name; those of every model are drawn without it.

        Args:
            batch: of one, on the CPU.
            predictions: what :meth:`predict` gave.
        """
        del batch, predictions
        return {}

    def adopt_state(self, weights: Mapping[str, Any], config: Mapping[str, Any]) -> Adopted:
        """Start from the weights of another training (``memnets fit --init_from``); the tensors that fit, by default.

        A model that can make more of them, such as a reader whose characters are others now, overrides this.

        Args:
            weights: the ``state_dict`` of the other model, on the CPU. It may be changed.
            config: the other's ``class_path`` and ``init_args``, as its run's ``config.yaml`` has them; empty where
                that is not known.
        """
        del config
        return adopt_matching(self, weights)

    def backend_report(self) -> dict[str, str]:
        """How the model is computed, by backend: ``"chosen: ..."`` for the one that runs."""
        return {"torch": "chosen: plain PyTorch"}


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
            state: before the first step.
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
        if state is None:
            state = self.make_state(batch_size)
        else:
            self.check_state(state, batch_size, inputs.device)
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


def run_between(
    run: Callable[[Tensor, Any, Any], tuple[Tensor, Any]],
    make_state: Callable[[int], Any],
    resets: Tensor,
    inputs: Tensor,
    state: Any,
    counts: Any,
    cut: int | None = None,
) -> tuple[Tensor, Any]:
    """``run`` from each step at which a sequence starts afresh, where ``resets (B, T)``, to the next.

    Args:
        run: as :meth:`SequenceModule.run`.
        make_state: as :meth:`SequenceModule.make_state`.
        resets: bool.
        inputs: ``(B, T, I)``.
        state: before the first step.
        counts: the sequences' lengths, or None.
        cut: cut the gradient each time this many steps have passed, wherever sequences start: ``run`` would count from
            the start of its part.
    """
    order = None
    if counts is not None:
        # Longest first: each part then has the order of the whole, by which a trace places what it records.
        counts = torch.as_tensor(counts, device=inputs.device)
        order = counts.argsort(descending=True, stable=True)
        inputs, resets, state, counts = inputs[order], resets[order], index_state(state, order), counts[order].tolist()
        # Past its end a sequence's state stays.
        resets = resets & (torch.arange(resets.shape[1], device=resets.device) < _column(counts, resets.device))
    cuts = range(0, inputs.shape[1], cut or inputs.shape[1])
    starts = sorted({*cuts, *resets.any(0).nonzero().flatten().tolist()})
    outputs = []
    for start, stop in zip(starts, [*starts[1:], inputs.shape[1]]):
        state = detach_state(state) if start and start in cuts else state
        state = where_state(resets[:, start], make_state(len(inputs)), state)
        within = None if counts is None else [min(max(n - start, 0), stop - start) for n in counts]
        part, state = run(inputs[:, start:stop], state, within)
        outputs.append(part)
    whole = torch.cat(outputs, dim=1)
    if order is None:
        return whole, state
    back = order.argsort()
    return whole[back], index_state(state, back)


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


def check_sizes(module: nn.Module, task: Task) -> None:
    """Raise ValueError unless a module over sequences has the sizes of ``task``, and the batch first.

    A module of another library need not say its sizes.
    """
    kind = type(task).__name__
    if getattr(module, "batch_first", True) is False:
        raise ValueError("the model has batch_first=False, but tasks have the batch first: leave it at True")
    if task.input_size is None and not isinstance(task.vocabulary, int):
        raise ValueError(
            f"{type(module).__name__} takes sequences, but {kind} has none: readers go with tasks of lines, captioners "
            "with tasks of scenes"
        )
    tokens = task.vocabulary if task.input_size is None else None
    for name, wanted in (
        ("input_size", task.input_size),
        ("output_size", task.output_size),
        ("vocabulary", tokens),
    ):
        got = getattr(module, name, wanted)
        if got != wanted and (wanted is not None or name == "vocabulary"):
            raise ValueError(f"the model's {name} is {got}, but {kind} needs {wanted}")


def clear_padding(outputs: Tensor, lengths: Tensor | Sequence[int]) -> Tensor:
    """``outputs (B, T, F)`` with zeros past each sequence's length."""
    steps = torch.arange(outputs.shape[1], device=outputs.device)  # (T,)
    past = steps >= _column(lengths, outputs.device)  # (B, T)
    return outputs.masked_fill(past.unsqueeze(-1), 0)


def run_in_segments(
    run: Callable[[Tensor, Any, Tensor | None], tuple[Tensor, Any]],
    inputs: Tensor,
    state: Any,
    lengths: Tensor | None,
    segment: int | None,
) -> tuple[Tensor, Any]:
    """``run`` over ``inputs (B, T, I)``, the gradient cut between segments of so many steps; None for one whole."""
    if segment is None:  # whatever the number of steps, which an exported program may leave open
        return run(inputs, state, lengths)
    outputs = []
    for start in range(0, inputs.shape[1], segment):
        state = detach_state(state) if start else state
        part = inputs[:, start : start + segment]
        within = None if lengths is None else (lengths - start).clamp(0, part.shape[1])
        features, state = run(part, state, within)
        outputs.append(features)
    return (torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]), state


def _column(lengths: Tensor | Sequence[int], device: torch.device) -> Tensor:
    return torch.as_tensor(lengths, device=device).unsqueeze(1)  # (B, 1)


def as_parameters(module: nn.Module, inputs: Tensor) -> Tensor:
    """Numbers in the precision of the module's parameters; tokens as they are."""
    parameter = first_parameter(module)
    return inputs if parameter is None or not inputs.is_floating_point() else inputs.to(parameter.dtype)
