"""A sweep's directory: its plan, its experiments' files, and one run directory a trial."""

import datetime
import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ...base.errors import UsageError
from ...base.files import find_link_out, write_atomically
from ...base.kinds import find_wrong
from ...base.regular_files import UnusableFile, read_regular
from ..lock import holder
from ..strict_yaml import load_mapping
from ..trust import foreign, is_vouched, needs_trust, vouch
from .file import read_plan, write_plan
from .plan import Plan, PlanError, Trial
from .results import find_fault

PLAN = "sweep.yaml"
HEAD = "# go on with: memnets sweep "
"""How a plan begins that a sweep wrote; a file of that name may be a user's own."""
MOST_BYTES = 1 << 28
"""Of one of its files."""
State = Literal["waiting", "started", "running", "done", "failed"]


class SweepDir:
    """Paths within ``sweeps/<name>/``, and what state its trials are in.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path):
        self.path = path
        self.plan_file = path / PLAN
        self.figures = path / "figures"

    @classmethod
    def open(cls, path: Path) -> tuple["SweepDir", Plan]:
        """A sweep that was begun, and its plan.

        Raises:
            PlanError: there is none.
        """
        sweep = cls(path)
        if not sweep.plan_file.is_file():
            near = sorted(found.parent for found in path.glob(f"*/{PLAN}")) if path.is_dir() else []
            hint = f"; did you mean {near[0]}?" if near else "; `memnets sweep` makes such directories under sweeps/"
            raise PlanError(f"{path} is not the directory of a sweep: it holds no {PLAN}{hint}")
        sweep.refuse_links()
        return sweep, read_plan(sweep.plan_file)

    def refuse_links(self) -> None:
        """Raise PlanError where something in the directory is a link out of it: nothing is read or written there."""
        if (path := find_link_out(self.path)) is not None:
            raise PlanError(f"{path} is a link out of the sweep's directory: remove it")

    def is_vouched(self) -> bool:
        """Whether the user's own commands wrote it, or the user said ``--trust``."""
        return is_vouched(self.path, self._contents())

    def vouch(self) -> None:
        """Remember that what its files name may be imported."""
        vouch(self.path, self._contents())

    def _files(self) -> list[Path]:
        return [self.plan_file, *self.path.glob("configs/*.yaml")]

    def _contents(self) -> list[Any]:
        return [load_mapping(path) for path in self._files()]

    def is_trusted(self, vouched: bool = False) -> bool:
        """Whether its files may name classes of the user's own; those of anybody's sweep are always looked up.

        Args:
            vouched: the user said ``--trust``, which is remembered.

        Raises:
            UsageError: they name some, and the user's own commands did not write them.
        """
        if vouched:
            self.vouch()
            return True
        if self.is_vouched():
            return True
        for path in self._files():
            if named := foreign(load_mapping(path)):
                raise UsageError(
                    f"{path} names {named[0]}, code of its own, and was not written by `memnets sweep` here (or was "
                    "moved since, or names something new): if you know what that code does, add --trust once"
                )
        return False

    def check(self, plan: Plan, files: Mapping[str, Path]) -> None:
        """See whether :meth:`begin` can be; it takes the same.

        Raises:
            PlanError: the directory holds another plan, another file of an experiment, or something else.
        """
        self.refuse_links()
        if self.plan_file.is_file():
            plan.check_extends(read_plan(self.plan_file))
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise PlanError(f"{self.path} is in use, and not by a sweep: give another --name or --sweeps")
        for name, path in files.items():
            if self.config(name).is_file() and _read(self.config(name)) != _read(path):
                raise PlanError(
                    f"{files[name]} is not what the sweep was begun with ({self.config(name)}): its trials would not "
                    "be comparable; give another --name"
                )

    def begin(self, plan: Plan, files: Mapping[str, Path], *, vouch: bool = True) -> None:
        """Write the plan, and the file of each experiment beside it, so that all trials run the same.

        Args:
            plan: may add trials to the plan that is there.
            files: each experiment's YAML file, by name.
            vouch: whether the user vouches for what they name.

        Raises:
            PlanError: as :meth:`check`, or it cannot be written. Nothing is written then.
        """
        self.check(plan, files)
        texts = {name: _read(path) for name, path in files.items()}
        head = f"{HEAD}{self.path}\n"
        new = {self.config(name): text for name, text in texts.items() if not self.config(name).is_file()}
        try:
            write_atomically({**new, self.plan_file: (head + write_plan(plan)).encode()})
        except OSError as error:
            raise PlanError(
                f"{self.path} cannot be written ({error.strerror}): make room there, make it writable, or give another "
                "--sweeps"
            ) from error
        if vouch and self.needs_trust():
            self.vouch()

    def needs_trust(self) -> bool:
        """Whether its files name or ask for more than anybody's may."""
        return any(map(needs_trust, self._contents()))

    def config(self, experiment: str) -> Path:
        """The sweep's copy of an experiment's file."""
        return self.path / "configs" / f"{experiment}.yaml"

    def trial(self, trial: Trial) -> "TrialDir":
        """The directory of a trial."""
        return TrialDir(self.path / trial.name)


class TrialDir:
    """What of a trial's run directory a sweep looks at; it is done when ``result.json`` is there.

    Args:
        path: the directory, which need not exist.
    """

    def __init__(self, path: Path):
        self.path = path
        self.config = path / "config.yaml"
        self.result = path / "result.json"
        self.log = path / "trial.log"
        self.failure = path / "failure.json"
        self.attempts = path / "attempts.json"

    @property
    def is_done(self) -> bool:
        """Whether it has ended well."""
        return self.result.is_file()

    @property
    def has_failed(self) -> bool:
        """Whether it ended with an error, and was not begun again since."""
        return self.failure.is_file() and not self.is_done

    def state(self) -> State:
        """How far it is; ``started`` is a run that was stopped and can be resumed."""
        if self.is_done:
            return "done"
        if self.path.is_dir() and holder(self.path):
            return "running"
        if self.has_failed:
            return "failed"
        return "started" if self.config.is_file() else "waiting"

    def read(self, path: Path) -> Any:
        """A JSON file of the trial, None if it is not there.

        Raises:
            PlanError: it is damaged.
        """
        try:
            return json.loads(read_regular(path, MOST_BYTES))
        except (ValueError, RecursionError) as error:
            if isinstance(error, UnusableFile) and error.reason == "is not there":
                return None
            raise PlanError(f"{path} is damaged ({error}): delete it and run the trial again") from error

    def read_result(self) -> dict[str, Any] | None:
        """``result.json``, None if it is not there.

        Raises:
            PlanError: it is damaged, or of a version that wrote something else.
        """
        if not self.is_done:
            return None
        found = self.read(self.result)
        if fault := find_fault(found):
            raise PlanError(f"{self.result} cannot be used, as {fault}: delete it and run the trial again")
        return found

    def read_attempts(self) -> list[dict[str, Any]]:
        """``attempts.json``, from the first to the last; empty if it is not there.

        Raises:
            PlanError: it is damaged, or of a version that wrote something else.
        """
        found = self.read(self.attempts) if self.attempts.is_file() else []
        if not isinstance(found, list) or any(find_wrong(facts, _kinds_of(facts)) is not None for facts in found):
            raise PlanError(f"{self.attempts} cannot be used, as it is no list of attempts: delete it")
        return found

    def read_failure(self) -> str | None:
        """What it ended with, None if it was not an error.

        Raises:
            PlanError: the file is damaged.
        """
        found = self.read(self.failure)
        if found is not None and find_wrong(found, {"error": str}) is not None:
            raise PlanError(f"{self.failure} cannot be used, as it holds no error: delete it")
        return found and found["error"]

    def fail(self, status: int, error: str) -> None:
        """Note that it ended with an error."""
        at = datetime.datetime.now().isoformat(timespec="seconds")
        self._write(self.failure, {"status": status, "error": error, "at": at})

    def begin_attempt(self, facts: Mapping[str, Any]) -> None:
        """Note that it runs (again), on which machine, and forget that it failed."""
        self._write(self.attempts, [*self.read_attempts(), facts])
        self.failure.unlink(missing_ok=True)

    def _write(self, path: Path, content: Any) -> None:
        write_atomically({path: (json.dumps(content, indent=2) + "\n").encode()})


def _kinds_of(facts: Any) -> Any:
    """The kinds of those facts of an attempt that are there."""
    kinds = {**dict.fromkeys(("started", "host", "cpu", "torch"), str), **dict.fromkeys(("cores", "threads"), int)}
    return {name: kind for name, kind in kinds.items() if not isinstance(facts, dict) or name in facts}


def find_trial(plan: Plan, name: str) -> Trial:
    """The trial of that name.

    Raises:
        PlanError: the plan has none.
    """
    trials = {trial.name: trial for trial in plan.trials()}
    if name not in trials:
        near = difflib.get_close_matches(name, trials, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise PlanError(f"the sweep {plan.name} has no trial {name!r}{hint}")
    return trials[name]


def is_stored_plan(path: Path) -> bool:
    """Whether a file is the plan within a sweep's directory."""
    if path.name != PLAN or not path.is_file():
        return False
    return _read(path).startswith(HEAD.encode())


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MOST_BYTES)
    except UnusableFile as error:
        raise PlanError(f"{path} {error}") from error
