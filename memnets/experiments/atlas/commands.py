"""``memnets compare`` and ``memnets atlas``: run the cells of an atlas, and draw its page."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from ...base.errors import UsageError, suggest
from ...base.files import write_atomically
from ..catalogue import config_folder
from ..printing import print_paths
from ..strict_yaml import load_mapping
from ..sweeps.plan import PlanError, parse_seeds
from ..trust import foreign, is_vouched, names_in, vouch
from .page import make_page, read_results, table
from .plan import Atlas, Entry, read_atlas
from .run import CELL, Store, differences, run_atlas

PLAN = "atlas.yaml"
HEAD = "# ran with: "


def compare(
    file: str | None,
    *,
    memories: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    changes: dict[str, Any] | None = None,
    seeds: str | None = None,
    into: str | None = None,
    minutes: float | None = None,
    retry: bool = False,
    vouched: bool = False,
) -> int:
    """Run the cells that are not done, then print the scores; returns the exit status, 1 where a cell failed.

    Args:
        file: of the plan, or the name of one that ships; the atlas's if None.
        memories: those alone.
        tasks: those alone.
        changes: settings of the protocol that go before the file's.
        seeds: such as 1..3.
        into: the directory of the cells.
        minutes: begin no training after so many.
        retry: run cells again that failed.
        vouched: the user said ``--trust``.

    Raises:
        UsageError: what is asked for cannot be, or an atlas's directory from elsewhere names code of its own.
    """
    path = find_plan(file or Path(PLAN).stem)
    changes = {name: value for name, value in (changes or {}).items() if value is not None}
    if seeds is not None:
        try:
            changes["seeds"] = list(parse_seeds(seeds))
        except PlanError as error:
            raise UsageError(str(error)) from error
    atlas = read_atlas(path, changes).only(memories, tasks)
    atlas = dataclasses.replace(atlas, trusted=is_trusted(path, vouched))
    store = Store(Path(into or Path("atlas") / path.stem))
    command = ["memnets", "compare", *([file] if file else []), *(["--into", into] if into else [])]
    for name, value in changes.items():
        if name != "seeds":
            command += [f"--{name}", ",".join(f"{one:g}" for one in (value if name == "rates" else [value]))]
    command += ["--seeds", seeds] if seeds is not None else []
    torch.set_num_threads(1)  # cells beside each other, and times that can be compared
    begin(atlas, store, command)
    left = run_atlas(atlas, store, minutes=minutes, retry=retry)
    results = read_results(atlas, store) if _any_result(atlas, store) else None
    if results:
        ends = dict.fromkeys([atlas.protocol.multiples[0], atlas.protocol.multiples[-1]])
        for multiple in ends:
            names = [task.name for task in atlas.tasks]
            rows = [[f"score at {multiple} x", *names]]
            for memory in atlas.memories:
                shown = [results.median(memory.name, task, multiple) for task in names]
                rows.append([memory.name, *("-" if value != value else f"{value:.2f}" for value in shown)])
            print("\n" + table(rows))
    print(f"\npage: memnets atlas {store.path}" + (f"; go on with the same command ({left} cells)" if left else ""))
    failed = sum("error" in store.read(atlas, cell) for cell in atlas.cells())
    return int(bool(failed))


def find_plan(name: str) -> Path:
    """The file of a plan, by its path or by its name among those that ship.

    Raises:
        UsageError: there is none.
    """
    path = Path(name)
    shipped = {file.stem: file for file in sorted(config_folder().glob("*.yaml"))}
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    if name not in shipped:
        raise UsageError(f"there is no file {name}, nor a list of that name{suggest(name, shipped)}")
    return shipped[name]


def is_trusted(path: Path, vouched: bool) -> bool:
    """Whether a plan may name classes of the user's own; those of anybody's are always looked up.

    A file that is given to compare is trusted as a script is; the one that compare keeps beside cells is not by itself.

    Args:
        path: the plan's file.
        vouched: the user said ``--trust``, which is remembered.

    Raises:
        UsageError: it names some, and the user's own ``memnets compare`` did not write it.
    """
    if path.name != PLAN or not (_command(path) or any(path.parent.glob(f"*/*/{CELL}"))):
        return True
    content = load_mapping(path)
    if vouched:
        vouch(path.parent, [content])
    if is_vouched(path.parent, [content]):
        return True
    if named := foreign(content):
        raise UsageError(
            f"{path} names {named[0]}, code of its own, and was not written by `memnets compare` here (or was moved "
            "since, or names something new): if you know what that code does, add --trust once"
        )
    return False


def _any_result(atlas: Atlas, store: Store) -> bool:
    return any(store.read(atlas, cell)["measured"] for cell in atlas.cells())


def begin(atlas: Atlas, store: Store, command: Sequence[str]) -> None:
    """Keep the plan beside the cells, together with what was there of the same protocol.

    Raises:
        UsageError: the directory is another atlas's.
    """
    file, vouched = store.path / PLAN, atlas.trusted
    memories = {entry.name: entry for entry in atlas.memories}
    tasks = {entry.name: entry for entry in atlas.tasks}
    store.refuse_links(file)
    if file.is_file():
        old, content = read_atlas(file), load_mapping(file)
        vouched = vouched and (is_vouched(store.path, [content]) or not foreign(content))
        one, other = (dataclasses.asdict(plan.protocol) for plan in (old, atlas))
        if changed := differences(one, other):
            raise UsageError(
                f"{store.path} was begun with another protocol ({', '.join(changed)}): go on with that, or give "
                "another --into"
            )
        memories = {entry.name: memories.get(entry.name, entry) for entry in old.memories} | memories
        tasks = {entry.name: tasks.get(entry.name, entry) for entry in old.tasks} | tasks
        command = _command(file) or command
    protocol = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(atlas.protocol).items()
    }
    plan = {"protocol": protocol, "memories": _plain(memories), "tasks": _plain(tasks)}
    text = f"{HEAD}{shlex.join(command)}\n{yaml.safe_dump(plan, sort_keys=False, allow_unicode=True)}"
    write_atomically({file: text.encode()})
    if vouched and names_in(plan):  # what it names was named by the user
        vouch(store.path, [plan])


def _plain(entries: dict[str, Entry]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, entry in entries.items():
        plain[name] = entry.settings() | ({"fit": entry.fit, "stride": entry.stride} if entry.fit else {})
    return plain


def _command(file: Path) -> list[str]:
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    try:
        return shlex.split(first.removeprefix(HEAD)) if first.startswith(HEAD) else []
    except ValueError:  # a quotation mark that nothing closes: it was changed by hand
        return []


def draw_atlas(directory: str, page: str | None = None) -> int:
    """Draw the page of an atlas's directory; returns the exit status.

    Args:
        directory: of the cells.
        page: the folder of the page; the directory's own ``page`` if None.

    Raises:
        UsageError: there is no atlas there, or nothing to show yet.
    """
    store = Store(Path(directory))
    file = store.path / PLAN
    if not file.is_file():
        raise UsageError(f"{directory} is no atlas: it holds no {PLAN} (`memnets compare` makes one)")
    store.refuse_links(file)
    results = read_results(read_atlas(file), store)
    if page is None:
        store.refuse_links(store.path / "page" / "figures")
    drew = ["memnets", "atlas", directory, *(["--page", page] if page else [])]
    paths = make_page(results, Path(page) if page else store.path / "page", [_command(file), drew])
    print_paths(paths)
    return 0
