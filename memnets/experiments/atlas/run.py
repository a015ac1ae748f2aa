"""All cells of an atlas: each process that runs it takes the next that nobody is at, and goes on where it stopped."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...base.errors import UsageError
from ...base.files import leads_out, write_atomically
from ...base.regular_files import read_regular
from ..lock import NAME as LOCK
from ..lock import HeldError, hold
from .cell import Record, asked_of, new_record, run_cell
from .plan import Atlas, Cell
from .records import is_record

CELL = "cell.json"
MOST_BYTES = 1 << 28


class Store:
    """An atlas's directory: a folder for each cell, with what is known of it.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path):
        self.path = path

    def folder(self, cell: Cell) -> Path:
        """That of a cell."""
        return self.path / cell.memory.name.replace(" ", "-") / cell.task.name.replace(" ", "-")

    def read(self, atlas: Atlas, cell: Cell) -> Record:
        """What is known of a cell.

        Raises:
            UsageError: it is damaged, or of other settings.
        """
        path = self.folder(cell) / CELL
        self.refuse_links(path, self.folder(cell) / LOCK)
        if not path.exists():
            return new_record(atlas, cell)
        try:
            record = json.loads(read_regular(path, MOST_BYTES))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path} is damaged ({error}): delete it, and the cell is run again") from error
        if not is_record(record, atlas.protocol.multiples):
            raise UsageError(f"{path} is no cell of an atlas: delete it, and the cell is run again")
        if changed := differences(record["asked"], asked_of(atlas.protocol, cell.memory, cell.task)):
            raise UsageError(
                f"{path} was run with other settings ({', '.join(changed)}): go on with those, give another --into, or "
                "delete it"
            )
        return record

    def refuse_links(self, *paths: Path) -> None:
        """Raise UsageError where one of these leads out of the directory: nothing is read or written there."""
        for path in paths:
            if leads_out(path, self.path):
                raise UsageError(f"{path} is a link out of {self.path}, or lies behind one: remove it")

    def write(self, cell: Cell, record: Record) -> None:
        """Keep what is known of a cell, whole or not at all."""
        write_atomically({self.folder(cell) / CELL: (json.dumps(record) + "\n").encode()})


def differences(one: Any, other: Any, name: str = "") -> list[str]:
    """The names of the settings in which two plain mappings differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        return [
            found for key in keys for found in differences(one.get(key), other.get(key), f"{name}.{key}".strip("."))
        ]
    return [] if one == other else [name]


def run_atlas(
    atlas: Atlas, store: Store, *, minutes: float | None = None, retry: bool = False, say: Callable[[str], None] = print
) -> int:
    """Run what is not done and nobody is at.

    Args:
        atlas: the plan.
        store: where cells are kept.
        minutes: begin no training after so many.
        retry: run cells again that could not go on.
        say: prints a line.

    Returns:
        How many cells are left.

    Raises:
        UsageError: a cell there is was run with other settings.
    """
    until = None if minutes is None else time.monotonic() + 60 * minutes
    cells = atlas.cells()
    for cell in cells:
        store.read(atlas, cell)  # all that cannot be gone on with is said before anything runs
    for number, cell in enumerate(cells, 1):
        if until is not None and time.monotonic() >= until:
            break
        with _held(store.folder(cell)) as ours:
            record = store.read(atlas, cell)
            if not ours or record.get("done") or ("error" in record and not retry):
                continue
            record.pop("error", None)
            say(f"{number} of {len(cells)}: {_run_one(atlas, store, cell, record, until)}")
    left = sum(not _is_over(store.read(atlas, cell)) for cell in cells)
    say(f"{len(cells) - left} of {len(cells)} cells are done" + (f"; {left} are left" if left else ""))
    return left


def _is_over(record: Record) -> bool:
    return bool(record.get("done")) or "error" in record


def _run_one(atlas: Atlas, store: Store, cell: Cell, record: Record, until: float | None) -> str:
    """Run a cell, and say what came of it in a line; what a memory or a task raises is kept, and is its result."""
    name, began = f"{cell.memory.name} on {cell.task.name}", time.monotonic()
    try:
        done = run_cell(
            atlas,
            cell,
            record,
            lambda record: store.write(cell, record),
            lambda: until is None or time.monotonic() < until,
        )
    except (Exception, SystemExit) as error:
        record["error"] = " ".join(f"{type(error).__name__}: {error}".split())
        store.write(cell, record)
        return f"{name}: {record['error']}"
    if not done:
        return f"{name}: {len(record['chosen']) + len(record['measured'])} trainings, to be gone on with"
    first = str(atlas.protocol.multiples[0])
    scores = " ".join(f"{training['scores'][first]['score']:.2f}" for training in record["measured"])
    return f"{name}: {scores} ({time.monotonic() - began:.0f} s)"


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a cell; False if another process does."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with hold(folder):
            yield True
    except HeldError:
        yield False
