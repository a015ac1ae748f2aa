"""One cell of an atlas: a memory on a task, from the choice of its learning rate to its scores at greater lengths."""

import dataclasses
import datetime
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ...base.seeding import generator
from ...memories.base import Memory, resize
from ...training.lengths import evaluate_lengths
from ..config import make_task, make_task_and_model
from ..sweeps.machine import describe_machine
from .plan import Atlas, Cell, Entry, Protocol
from .scores import score
from .sizes import fit_state, kept_bytes, state_size
from .train import CHECKS, Training, train

Record = dict[str, Any]
"""What is known of a cell, as plain values: see :func:`run_cell`."""


class Maker:
    """Makes a cell's task and models, of one size of state.

    Raises:
        UsageError: the memory or the task cannot be made, they do not go together, or no size fits.
    """

    def __init__(self, atlas: Atlas, cell: Cell):
        self.path, self.memory, self.trusted = atlas.path, cell.memory, atlas.trusted
        self.settings = cell.task.settings()
        self.task: Any = make_task({"task": self.settings}, trusted=atlas.trusted, path=atlas.path)
        arguments = dict(cell.memory.init_args)
        if self.task.input_size is None:
            arguments.setdefault("input_size", atlas.protocol.embedding)
        self.arguments: dict[str, Any] = arguments
        random = generator(0, "probe", 0)
        longest = self.task.sample(64, torch.full((64,), self.task.max_length), random)
        self.steps = int(longest.lengths.max())
        """Of the longest training sequence."""
        if cell.memory.fit:
            wanted = atlas.protocol
            self.arguments = fit_state(
                self._make,
                arguments,
                cell.memory.fit,
                state=wanted.state,
                tolerance=wanted.tolerance,
                steps=self.steps,
                stride=cell.memory.stride,
            )

    def _make(self, arguments: Mapping[str, Any]) -> Any:
        model = {"class_path": self.memory.class_path, "init_args": dict(arguments)}
        parts = {"task": self.settings, "model": model}
        return make_task_and_model(parts, trusted=self.trusted, path=self.path)[1]

    def model(self, seed: int) -> Any:
        """A fresh model, whose weights are a function of the seed."""
        torch.manual_seed(seed)
        return self._make(self.arguments)

    @property
    def fitted(self) -> dict[str, Any]:
        """The argument that was fitted, and its value."""
        return {} if self.memory.fit is None else {self.memory.fit: _value(self.arguments, self.memory.fit)}


def _value(arguments: Any, name: str) -> Any:
    *nested, last = name.split(".")
    for key in nested:
        arguments = arguments[key]["init_args"]
    return arguments[last]


def asked_of(protocol: Protocol, memory: Entry, task: Entry) -> Record:
    """What the numbers of a cell are of; where it changes they are of something else."""
    plain = {
        key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(protocol).items()
    }
    return {"protocol": plain, "memory": memory.settings() | {"fit": memory.fit}, "task": task.settings()}


def run_cell(
    atlas: Atlas, cell: Cell, record: Record, save: Callable[[Record], None], may_begin: Callable[[], bool]
) -> bool:
    """Do what is not done yet of a cell.

    Args:
        atlas: the plan.
        cell: which.
        record: what is known; changed in place. Its keys: ``asked``, ``about`` (sizes, time and memory of a step),
            ``chosen`` and ``measured`` (a :class:`Training` each, as a mapping; of those measured with ``scores``, by
            multiple of the training length), ``error`` where it could not go on, and ``done``.
        save: is handed the record after each training.
        may_begin: whether there is time for another training.

    Returns:
        Whether it is done.
    """
    protocol = atlas.protocol
    maker = Maker(atlas, cell)
    if "about" not in record:
        record["about"] = describe(maker, protocol)
        save(record)
    to_choose = protocol.rates if len(protocol.rates) > 1 else ()
    for rate in to_choose[len(record["chosen"]) :]:
        if not may_begin():
            return False
        seed = protocol.choice_seed
        best = min((t["solved_at"] for t in record["chosen"] if t["solved_at"]), default=None)
        until = None if best is None else best + CHECKS * protocol.validate_every  # later it cannot be the first
        made = train(maker.model(seed), maker.task, protocol, rate=rate, seed=seed, until=until)
        record["chosen"].append(_plain(made))
        save(record)
    for seed in protocol.seeds[len(record["measured"]) :]:
        if not may_begin():
            return False
        rate = choose(record["chosen"]) if to_choose else protocol.rates[0]
        model = maker.model(seed)
        made = train(model, maker.task, protocol, rate=rate, seed=seed)
        record["measured"].append(_plain(made) | {"scores": evaluate(model, maker.task, protocol, seed)})
        save(record)
    record["done"] = True
    save(record)
    return True


def choose(trainings: list[Record]) -> float:
    """The rate of the training that solved the task first; where none did, of the one with the fewest errors."""

    def rank(training: Record) -> tuple[float, float]:
        error = math.inf if training["error"] is None else training["error"]
        return training["solved_at"] or math.inf, error

    return min(trainings, key=rank)["rate"]


def describe(maker: Maker, protocol: Protocol) -> Record:
    """Sizes of a cell's model, what a step keeps for the way back, what an answer without looking gets, and where."""
    model, task = maker.model(0), maker.task
    random = generator(0, "probe", 1)
    batch = task.sample(protocol.batch_size, torch.full((protocol.batch_size,), task.max_length), random)
    return {
        "fitted": maker.fitted,
        "state": state_size(model, maker.steps),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "kept_bytes": kept_bytes(model, task, batch),
        "backend": next((n for n, why in model.backend_report().items() if why.startswith("chosen")), "torch"),
        "length": task.max_length,
        "unit": task.length_unit,
        "steps": maker.steps,
        "date": str(datetime.date.today()),
        "machine": {k: v for k, v in describe_machine(torch.get_num_threads()).items() if k not in ("host", "started")},
    }


def evaluate(model: Any, task: Any, protocol: Protocol, seed: int) -> Record:
    """Scores at each multiple of the longest training length, on a memory enlarged as much where it has slots."""
    test, slots = task.splits().test, slots_of(model)
    found: Record = {}
    for multiple in protocol.multiples:
        length = multiple * task.max_length
        if slots:
            resize(model, multiple * slots)
        own = evaluate_lengths(model, test, [length], sequences=protocol.sequences, seed=seed, resize=False)[length]
        count = protocol.sequences
        batch = test.sample(count, torch.full((count,), length), generator(seed, "chance", length))
        found[str(multiple)] = {
            "length": length,
            "score": round(score(test, own, batch), 5),
            "scores": {name: None if math.isnan(value) else round(value, 5) for name, value in own.items()},
        }
    if slots:
        resize(model, slots)
    return found


def slots_of(model: Any) -> int:
    """The slots of its memories, 0 where there are none that can be changed."""
    return max((part.slots for part in model.modules() if isinstance(part, Memory)), default=0)


def _plain(training: Training) -> Record:
    plain = dataclasses.asdict(training)
    plain["error"] = plain["error"] if math.isfinite(plain["error"]) else None
    return plain


def new_record(atlas: Atlas, cell: Cell) -> Record:
    """That of a cell that was not begun."""
    return {"asked": asked_of(atlas.protocol, cell.memory, cell.task), "chosen": [], "measured": []}
