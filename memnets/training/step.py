"""One step of training, as plain code: draw, loss, gradient, clip, step, numbers.

Whoever runs it, Lightning or a loop of three lines, is a :class:`Shell`: it knows the optimiser, the precision and the
other processes.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..base.kinds import taken_back
from ..base.seeding import generator
from ..base.task import Curriculum, StreamTask, Task
from .adapters import training_loss
from .carried_state import CarriedState
from .clipping import Clipping
from .focus import Focus
from .replay import Replay

Numbers = dict[str, Tensor]

SAVED = {
    **{"batches": int, "spikes": (dict, type(None)), "skipped": [int], "curriculum": dict, "carried": [Tensor]},
    "replay": (dict, type(None)),
}
"""What a checkpoint holds of a step, and of which kind."""


class DivergedError(RuntimeError):
    """The loss or a gradient became NaN or Inf; the message says where and when."""


class Shell(Protocol):
    """What a step asks of whoever runs it."""

    step: int
    """Steps of the optimiser so far."""
    rank: int
    """Which of the processes this one is."""
    processes: int
    """How many train together."""
    scaled: bool
    """Whether a loss scaler looks after gradients that are not finite."""

    def zero_grad(self) -> None:
        """Let go of all gradients."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of ``loss`` to the parameters', as the mean over processes."""

    def unscale(self) -> None:
        """Take the loss scaler's factor out of the gradients."""

    def take_step(self) -> None:
        """Let the optimiser change the weights; parameters without a gradient stay as they are."""

    def mean(self, numbers: Numbers) -> Numbers:
        """The mean over processes."""
        ...


class TrainingStep:
    """Takes steps: a call is one batch, and one step of the optimiser at each ``accumulate``-th.

    Args:
        model: what is trained.
        task: what it learns.
        seed: of the batches.
        batch_size: B, sequences of a batch in each process.
        curriculum: a cap on training lengths; None for none.
        clipping: of the gradient.
        skip_nonfinite: steps in a row that may be left out as their gradient is not finite.
        accumulate: batches whose gradients are summed, to their mean, for one step.
        replay: sequences that failed, of which each batch has some; None for none.
        focus: the penalty on soft read weightings; None for none.

    Raises:
        ValueError: a curriculum for a task of streams, whose pieces have one length.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        *,
        seed: int,
        batch_size: int,
        curriculum: Curriculum | None = None,
        clipping: Clipping | None = None,
        skip_nonfinite: int = 0,
        accumulate: int = 1,
        replay: Replay | None = None,
        focus: Focus | None = None,
    ):
        if curriculum is not None and isinstance(task, StreamTask):
            raise ValueError(
                f"{type(task).__name__} is read piece by piece, each as long as any: leave the curriculum out"
            )
        self.model, self.task = model, task
        self.carried = CarriedState(model, task)
        """What a model that reads a stream knows of what came before the next batch."""
        self.seed, self.batch_size, self.curriculum = seed, batch_size, curriculum
        self.clipping = clipping or Clipping()
        self.skip_nonfinite, self.accumulate = skip_nonfinite, accumulate
        self.replay, self.focus = replay, focus
        self.batches = 0
        """Batches drawn so far."""
        self.skipped = 0
        """Steps left out so far, as their gradient was not finite."""
        self.skipped_in_row = 0
        """The same, up to the last step."""
        self.recover: Callable[[], bool] | None = None
        """Asked before a run ends as diverged: whether it took the weights back to where training can go on."""

    def __call__(self, shell: Shell, device: torch.device | str, *, report: bool) -> Numbers:
        """Train on the next batch.

        Args:
            shell: who runs this.
            device: where batches are made.
            report: whether numbers are wanted.

        Returns:
            With ``report`` the loss, the task's scores, the model's numbers, and, where the optimiser took a step, the
            gradient's norm before clipping; else the loss alone.

        Raises:
            DivergedError: the loss or the gradient is not finite, and may not be left out; the weights are as they
                were.
        """
        whole = self.draw(self.batches, shell.processes, device)
        batch = whole if shell.processes == 1 else whole.shard(shell.rank, shell.processes)
        made = training_loss(self.model, self.task, batch, self.carried.before(batch))
        self.carried.keep(made.state)
        loss = made.loss * self._weight(batch, whole, shell)  # so that the mean over processes is of the whole batch
        soft = self._soft_weightings(whole, shell)
        self.batches += 1
        numbers = {"loss": loss.detach()}
        if report:
            numbers = shell.mean({**numbers, **made.numbers()})
        if self.curriculum is not None and type(self.curriculum).observe is not Curriculum.observe:
            error = shell.mean({"errors": made.errors().detach().mean()})["errors"]  # shares are equally large
            self.curriculum.observe(error.expand(len(whole)))

        if (self.batches - 1) % self.accumulate == 0:
            shell.zero_grad()
        shell.backward((loss if soft is None else loss + soft) / self.accumulate)
        if self.batches % self.accumulate:
            return numbers

        shell.unscale()
        norm = nn.utils.get_total_norm(p.grad for p in self.model.parameters() if p.grad is not None)
        if self._is_sound(loss.detach(), norm, batch, shell):
            self.clipping(self.model.parameters(), norm)
        else:
            self.carried.forget()  # it may be what went wrong
            shell.zero_grad()  # an optimiser passes over parameters without a gradient
        shell.take_step()
        if report:
            numbers["grad_norm"] = norm
            if self.skip_nonfinite:
                numbers["skipped"] = norm.new_tensor(float(self.skipped))
        return numbers

    def draw(self, step: int, processes: int, device: torch.device | str) -> Any:
        """The batch of all processes at ``step`` (from 0): a function of the seed, the step and what is replayed."""
        if isinstance(self.task, StreamTask):
            return self.task.piece(self.batch_size * processes, step, generator(self.seed, "stream", 0, device))
        random = generator(self.seed, "train", step, device)
        longest = self.curriculum.max_length(step, self.task) if self.curriculum else None
        count = self.batch_size * processes
        batch = self.task.sample(count, self.task.sample_lengths(count, random, max_length=longest), random)
        return batch if self.replay is None else self.replay.into(batch, random)

    def _soft_weightings(self, whole: Any, shell: Shell) -> Tensor | None:
        """The penalty of this process's share of the batch."""
        if self.focus is None or not self.focus.share:
            return None
        cut = self.focus.cut(whole, generator(self.seed, "focus", self.batches, whole.lengths.device))
        return self.focus.penalty(self.model, cut if shell.processes == 1 else cut.shard(shell.rank, shell.processes))

    def _weight(self, batch: Any, whole: Any, shell: Shell) -> Tensor | float:
        """What this process's mean loss counts."""
        if shell.processes == 1:
            return 1.0
        own, of_all = self.task.loss_weight(batch), self.task.loss_weight(whole)
        return shell.processes * own / of_all.clamp_min(1)

    def _is_sound(self, loss: Tensor, norm: Tensor, batch: Any, shell: Shell) -> bool:
        """Whether the gradient may change the weights; all processes say the same, as they share their gradients."""
        self.skipped_in_row = 0 if shell.scaled or torch.isfinite(norm) else self.skipped_in_row + 1
        if 0 < self.skipped_in_row <= self.skip_nonfinite:
            self.skipped += 1
            return False
        loss = shell.mean({"loss": loss})["loss"]  # or one would go back, or end, alone
        if torch.isfinite(loss + (0 if shell.scaled else norm)):
            return True
        if self.recover is None or not self.recover():
            raise DivergedError(self._describe_divergence(loss, batch, shell))
        return False

    def _describe_divergence(self, loss: Tensor, batch: Any, shell: Shell) -> str:
        inputs = getattr(batch, "inputs", None)
        if inputs is not None and not inputs.isfinite().all():
            return f"the inputs of the batch hold NaN or Inf at step {shell.step + 1}: mend {type(self.task).__name__}"
        bad = [name for name, p in self.model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        what = [] if torch.isfinite(loss) else [f"the loss ({loss.item()})"]
        if bad:
            others = f" (and of {len(bad) - 1} other parameters)" if len(bad) > 1 else ""
            what.append(f"the gradient of {bad[0]}{others}")
        rare = "; --training.skip_nonfinite 10 leaves out such steps where they are rare"
        again = f" ({self.skipped_in_row} such steps in a row)" if self.skipped_in_row > 1 else ""
        return (
            f"{' and '.join(what) or 'the norm of the gradient'} became NaN or Inf at step "
            f"{shell.step + 1}{again}; the weights were left as they were before it. Try a lower "
            "--optimizer.lr or --trainer.gradient_clip_val" + ("" if self.skip_nonfinite else rare)
        )

    def state_dict(self) -> dict[str, Any]:
        """The counts, and what clipping depends on."""
        return {
            "batches": self.batches,
            "spikes": self.clipping.spikes.state_dict() if self.clipping.spikes else None,
            "skipped": [self.skipped, self.skipped_in_row],
            "curriculum": self.curriculum.state_dict() if self.curriculum else {},
            "carried": self.carried.state_dict(),
            "replay": self.replay.state_dict() if self.replay else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them back."""
        saved = taken_back(state, SAVED, self.state_dict())
        self.batches = saved["batches"]
        if self.clipping.spikes and saved["spikes"]:
            self.clipping.spikes.load_state_dict(saved["spikes"])
        self.skipped, self.skipped_in_row = saved["skipped"]
        if self.curriculum and saved["curriculum"]:
            self.curriculum.load_state_dict(saved["curriculum"])
        self.carried.load_state_dict(saved["carried"])
        if self.replay is not None:
            self.replay.load_state_dict(saved["replay"])
