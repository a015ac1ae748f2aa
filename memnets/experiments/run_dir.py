"""A run's directory: what is where, and reading it back."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..base.errors import RunError, UsageError
from ..base.files import find_link_out, remove_leftovers, write_atomically
from ..base.regular_files import read_regular
from ..base.saved_files import check_archive, check_dense_tensors, is_of_kind
from ..text.charset import compare
from ..text.symbol_tables import WithSymbols
from ..training.callbacks.checkpoints import BEST, LAST
from .strict_yaml import load_mapping
from .sweeps.results import is_table_of_lengths
from .trust import foreign, is_vouched, needs_trust, vouch

MOST_BYTES = 1 << 28
"""Of a file of results; a larger one is none that was written."""


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
        self.best = self.checkpoints / BEST
        self.figures = self.path / "figures"
        self.wandb = self.path / "wandb"
        self.result = self.path / "result.json"
        self.is_new = False
        """Whether this process made the directory."""

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
        for option, part in (("--run_id", name), ("--experiment", experiment)):
            if Path(part).name != part or part == ".." or "\0" in part or part != part.encode(errors="ignore").decode():
                raise RunError(f"{option} is {part!r}, but must be one folder's name, without / in it")
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
            run.is_new = True
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
            inside = sorted(p.parent for p in run.path.glob("**/config.yaml") if p.is_file())
            hint = f"; did you mean {inside[-1]}?" if inside else "; `memnets fit` makes such directories under runs/"
            raise RunError(f"{run.path} is not a run directory: it holds no config.yaml{hint}")
        run.refuse_links()
        for folder in (run.checkpoints, run.figures, run.wandb):
            if folder.exists() and not folder.is_dir():
                raise RunError(f"{folder} is no folder, but a run's {folder.name} go there: remove it")
        if _is_empty(run.config):
            raise RunError(f"{run.config} is empty: start the run anew with `memnets fit`")
        return run

    def refuse_links(self) -> None:
        """Raise RunError where something in the directory is a link out of it: nothing is read or written there."""
        if (path := find_link_out(self.path)) is not None:
            raise RunError(f"{path} is a link out of the run's directory: remove it, or put there what it leads to")

    def tidy(self) -> None:
        """Remove what killed processes left of files in the making; call it with the lock held."""
        for folder in (self.path, self.checkpoints, self.figures):
            remove_leftovers(folder)

    def is_trusted(self, vouched: bool = False) -> bool:
        """Whether its configuration may name classes of the user's own; those of anybody's run are always looked up.

        Args:
            vouched: the user said ``--trust``, which is remembered.

        Raises:
            UsageError: it names some, and the user's own commands did not write it.
        """
        content = load_mapping(self.config)
        if vouched:
            vouch(self.path, [content])
            return True
        if is_vouched(self.path, [content]):
            return True
        if named := foreign(content):
            raise UsageError(
                f"{self.config} names {named[0]}, code of its own, and was not written by `memnets fit` here (or was "
                "moved since, or names something new): if you know what that code does, add --trust once"
            )
        return False

    def vouch(self) -> None:
        """Remember that what the configuration names and asks for may be, if that is more than anybody's may."""
        content = load_mapping(self.config)
        if needs_trust(content):
            vouch(self.path, [content])

    def load_weights(
        self, model: nn.Module, *, remap: bool = False, which: str = "last", saved: dict[str, Any] | None = None
    ) -> nn.Module:
        """Put a checkpoint's weights into ``model``, without executing code from the file.

        Args:
            model: of the shapes of the checkpoint.
            which: "last", or "best", that of the validation with the fewest errors.
            remap: let a reader or captioner write other symbols than the checkpoint's, as when its files of labels
                have changed: it takes over the rows of those that both have, and warns of the others.
            saved: that checkpoint, where it has been read.

        Raises:
            RunError: there is no checkpoint, it cannot be read, or it belongs to a model of other shapes.
        """
        state = (saved or self.read_checkpoint(which))["state_dict"]
        weights = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
        own = model.state_dict()
        for name in getattr(model, "later_buffers", ()):  # which runs of older versions have not
            weights.setdefault(name, own[name])
        tables = _tables(model) if remap else ()
        if not remap and isinstance(model, WithSymbols) and "_extra_state" in weights:
            self._check_symbols(model, weights["_extra_state"])
        for name in sorted({*weights, *own}):
            if name not in own or name not in weights:
                where = "checkpoint" if name in weights else "model"
                raise RunError(f"{self.last} does not fit the model of {self.config}: only the {where} has {name}")
            if not is_of_kind(weights[name], own[name]):
                raise RunError(
                    f"{self.last} does not fit the model of {self.config}: {name} is {weights[name].dtype} in the "
                    f"checkpoint, {own[name].dtype} in the model: it is damaged, or another run's"
                )
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

    def read_checkpoint(self, which: str = "last") -> dict[str, Any]:
        """The last checkpoint or the best, tensors and plain values only.

        Raises:
            RunError: there is none, or it cannot be read.
        """
        path = self.best if which == "best" else self.last
        if not path.is_file():
            raise RunError(f"{self.path} holds no {path.name}: it was stopped before the first was saved")
        try:
            check_archive(path)
            found = torch.load(path, map_location="cpu", weights_only=True)
            check_dense_tensors(found["state_dict"])
            if not isinstance(found.get("memnets", {}).get("settings") or {}, dict):
                raise TypeError("its settings are no mapping")
        except Exception as error:
            raise RunError(
                f"{path} cannot be read as a checkpoint ({type(error).__name__}): it is damaged, or holds more than "
                "tensors and plain values; delete it, and the run starts from the beginning when it is resumed"
            ) from error
        return found

    def read_result(self) -> dict[str, Any]:
        """``result.json``, or nothing if the run has not ended; RunError if it is damaged."""
        if not self.result.is_file():
            return {}
        try:
            found = json.loads(read_regular(self.result, MOST_BYTES))
        except (ValueError, RecursionError) as error:
            raise RunError(f"{self.result} cannot be read ({error}): delete it and `memnets resume` the run") from error
        if not isinstance(found, dict) or not is_table_of_lengths(found.get("lengths", {})):
            raise RunError(f"{self.result} has no table of lengths: delete it and `memnets resume` the run")
        return found

    def write_result(self, result: dict[str, Any]) -> None:
        """``result.json``, whole; it says that the run has ended."""
        write_atomically({self.result: (json.dumps(result, indent=2) + "\n").encode()})


def _is_empty(path: Path) -> bool:
    """Whether a file holds nothing but blanks."""
    with path.open("rb") as file:
        return not file.read(1 << 16).strip()


def _tables(model: Any) -> tuple[str, ...]:
    """What the names of the parameters with one row a symbol begin with, and that of the symbols themselves."""
    names = model.table_names() if hasattr(model, "table_names") else []
    return (*(f"{name}." for name in names), *(["_extra_state"] if names else []))
