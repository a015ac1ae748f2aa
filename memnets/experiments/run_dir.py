"""A run's directory: what is where, and reading it back."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..base.errors import RunError
from ..base.files import write_atomically
from ..text.charset import compare
from ..text.symbol_tables import WithSymbols
from ..training.callbacks.checkpoints import LAST


class RunDir:
    """Paths within ``runs/<experiment>/<id>/``.

    Args:
        path: the directory.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.csv"
        self.checkpoints = self.path / "checkpoints"
        self.last = self.checkpoints / LAST
        self.figures = self.path / "figures"
        self.wandb = self.path / "wandb"
        self.result = self.path / "result.json"

    @property
    def name(self) -> str:
        """The run's id."""
        return self.path.resolve().name

    @classmethod
    def create(cls, root: Path, experiment: str, name: str) -> "RunDir":
        """A new directory; with a number after its name if that is taken.

        Raises:
            RunError: it cannot be made.
        """
        if Path(name).name != name or name in (".", ".."):
            raise RunError(f"--run_id is {name!r}, but must be one folder's name, without / in it")
        for number in range(1, 1000):
            path = root / experiment / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir(parents=True, exist_ok=False)
            except FileExistsError:
                continue
            except OSError as error:
                raise RunError(f"{path} cannot be made: {error.strerror}; choose another folder with --runs") from error
            run = cls(path)
            run.checkpoints.mkdir()
            run.figures.mkdir()
            return run
        raise RunError(f"{root / experiment} holds 999 runs called {name}: choose another --run_id")

    @classmethod
    def at(cls, path: Path) -> "RunDir":
        """A new run in exactly this directory, which may hold other files, such as a log.

        Raises:
            RunError: it holds a run, or cannot be made.
        """
        run = cls(path)
        if run.config.exists():
            raise RunError(f"{path} holds a run: go on with `memnets resume {path}`")
        try:
            for folder in (run.checkpoints, run.figures):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{path} cannot be made: {error.strerror}") from error
        return run

    @classmethod
    def open(cls, path: str | Path) -> "RunDir":
        """An existing run.

        Raises:
            RunError: there is no such directory, or it is not one of a run.
        """
        run = cls(path)
        if not run.path.is_dir():
            raise RunError(f"{run.path} is not a directory; give one such as runs/copy-ntm/20260101-120000-seed0")
        if not run.config.is_file():
            inside = sorted(p.parent for p in run.path.glob("**/config.yaml"))
            hint = f"; did you mean {inside[-1]}?" if inside else "; `memnets fit` makes such directories under runs/"
            raise RunError(f"{run.path} is not a run directory: it holds no config.yaml{hint}")
        if not run.config.read_bytes().strip():
            raise RunError(f"{run.config} is empty: start the run anew with `memnets fit`")
        return run

    def load_weights(self, model: nn.Module, *, remap: bool = False) -> nn.Module:
        """Put the last checkpoint's weights into ``model``, without executing code from the file.

        Args:
            model: of the shapes of the checkpoint.
            remap: let a reader or captioner write other symbols than the checkpoint's, as when its files of labels
                have changed: it takes over the rows of those that both have, and warns of the others.

        Raises:
            RunError: there is no checkpoint, it cannot be read, or it belongs to a model of other shapes.
        """
        state = self.read_checkpoint()["state_dict"]
        weights = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
        own = model.state_dict()
        tables = _tables(model) if remap else ()
        if not remap and isinstance(model, WithSymbols) and "_extra_state" in weights:
            self._check_symbols(model, weights["_extra_state"])
        for name in sorted({*weights, *own}):
            if name not in own or name not in weights:
                where = "checkpoint" if name in weights else "model"
                raise RunError(f"{self.last} does not fit the model of {self.config}: only the {where} has {name}")
            if weights[name].shape != own[name].shape and not name.startswith(tables):
                raise RunError(
                    f"{self.last} does not fit the model of {self.config}: {name} is {tuple(weights[name].shape)} "
                    f"in the checkpoint, {tuple(own[name].shape)} in the model; use the settings it was trained with"
                )
        model.load_state_dict(weights)
        return model

    def _check_symbols(self, model: WithSymbols[Any], codes: Tensor) -> None:
        """Raise RunError unless the symbols are the model's: the optimiser goes on with rows as they were."""
        saved = type(model.symbols).from_tensor(codes)
        if saved.symbols != model.symbols.symbols:
            raise RunError(
                f"{self.last} was trained with other symbols than the task has now, or in another order "
                f"({compare(saved, model.symbols)}): put the data back as they were, or start a new run"
            )

    def read_checkpoint(self) -> dict[str, Any]:
        """The last checkpoint, tensors and plain values only.

        Raises:
            RunError: there is none, or it cannot be read.
        """
        if not self.last.is_file():
            raise RunError(f"{self.path} holds no {self.last.name}: it was stopped before the first was saved")
        try:
            return torch.load(self.last, map_location="cpu", weights_only=True)
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RunError(f"{self.last} cannot be read as a checkpoint: {reason}") from error

    def read_result(self) -> dict[str, Any]:
        """``result.json``, or nothing if the run has not ended; RunError if it is damaged."""
        if not self.result.is_file():
            return {}
        try:
            return json.loads(self.result.read_text())
        except ValueError as error:
            raise RunError(f"{self.result} cannot be read ({error}): delete it and `memnets resume` the run") from error

    def write_result(self, result: dict[str, Any]) -> None:
        """``result.json``, whole; it says that the run has ended."""
        write_atomically({self.result: (json.dumps(result, indent=2) + "\n").encode()})


def _tables(model: Any) -> tuple[str, ...]:
    """What the names of the parameters with one row a symbol begin with, and that of the symbols themselves."""
    names = model.table_names() if hasattr(model, "table_names") else []
    return (*(f"{name}." for name in names), *(["_extra_state"] if names else []))
