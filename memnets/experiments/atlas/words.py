"""Paragraphs of an atlas, made from its numbers: what a memory can and cannot do, and which memories a task takes."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .page import Results
    from .plan import Entry

LEARNT = 0.9
"""A score from which on a task counts as learnt."""
NOTHING = 0.1
"""A score up to which nothing was learnt."""


def about_memory(results: "Results", memory: str, tasks: Sequence[str]) -> str:
    """What a memory can and cannot do, over the tasks that it was run on."""
    entry = next(e for e in results.atlas.memories if e.name == memory)
    run = [task for task in tasks if results.seeds(memory, task)]
    if not run:
        return f"**{memory}**: not run yet."
    first, *longer = results.atlas.protocol.multiples
    learnt = [task for task in run if results.median(memory, task, first) >= LEARNT]
    lucky = [task for task in run if task not in learnt and results.best(memory, task, first) >= LEARNT]
    nothing = [task for task in run if results.best(memory, task, first) <= NOTHING]
    partly = [task for task in run if task not in (*learnt, *lucky, *nothing)]
    sentences = [f"**{memory}**, {_size(results, entry, run)}"]
    known = f"median score of at least {LEARNT:g}"
    if learnt:
        sentences.append(
            f"At the trained length it learns {_list(learnt)} ({len(learnt)} of {len(run)} tasks, {known})."
        )
    else:
        sentences.append(f"It learns none of {len(run)} tasks at the trained length ({known}).")
    if lucky:
        sentences.append(f"With its best seed also {_list(lucky)}.")
    if learnt and longer:
        sentences.append(_beyond(results, memory, learnt))
    if partly:
        shown = [f"{task} ({results.median(memory, task, first):.2f})" for task in partly]
        sentences.append(f"In part, median score in brackets: {_list(shown)}.")
    if nothing:
        sentences.append(f"No better than without looking: {_list(nothing)}.")
    sentences += _failures(results, memory, run)
    return " ".join(sentences)


def _size(results: "Results", entry: "Entry", run: Sequence[str]) -> str:
    about = [results.cells[entry.name][task]["about"] for task in run]
    sizes = sorted({a["state"] for a in about})
    counted = f"{sizes[0]:,}" if sizes[0] == sizes[-1] else f"{sizes[0]:,} to {sizes[-1]:,}"
    beside = "." if entry.fit else ", which is not the size of the others: it stands beside them for comparison."
    return f"with {counted} numbers of state{beside}"


def _beyond(results: "Results", memory: str, learnt: Sequence[str]) -> str:
    """How far beyond the trained length it holds what it learnt."""
    reach: dict[int, list[str]] = {}
    for task in learnt:
        reach.setdefault(holds_to(results, memory, task), []).append(task)
    said = []
    for multiple in sorted(reach, reverse=True):
        where = "not beyond it" if multiple == 1 else f"to {multiple} times it"
        said.append(f"{where} on {_list(reach[multiple])}")
    return f"It holds that {'; '.join(said)}."


def holds_to(results: "Results", memory: str, task: str) -> int:
    """The greatest multiple of the trained length up to which the median score is that of a task learnt; 0 for none."""
    reached = 0
    for multiple in results.atlas.protocol.multiples:
        if not results.median(memory, task, multiple) >= LEARNT:
            break
        reached = multiple
    return reached


def _failures(results: "Results", memory: str, run: Sequence[str]) -> list[str]:
    """Trainings that diverged, and tasks on which the seeds differ."""
    said = []
    trainings = [(task, t) for task in run for t in results.cells[memory][task]["measured"]]
    diverged = [f"seed {t['seed']} on {task}" for task, t in trainings if t["diverged"]]
    if diverged:
        said.append(f"Diverged: {_list(diverged)}.")
    first = results.atlas.protocol.multiples[0]
    apart = [task for task in run if _spread(results, memory, task, first) > 0.5]
    if apart:
        said.append(f"It depends on the seed on {_list(apart)}.")
    return said


def _spread(results: "Results", memory: str, task: str, multiple: int) -> float:
    scores = [seed[multiple] for seed in results.seeds(memory, task)]
    return max(scores) - min(scores)


def about_task(results: "Results", task: str) -> str:
    """Which memories learn a task, and which hold it on longer sequences."""
    run = [memory.name for memory in results.atlas.memories if results.seeds(memory.name, task)]
    first, last = results.atlas.protocol.multiples[0], results.atlas.protocol.multiples[-1]
    about = results.cells[run[0]][task]["about"]
    order = sorted(run, key=lambda memory: -results.median(memory, task, first))
    learnt = [memory for memory in order if results.median(memory, task, first) >= LEARNT]
    held = [memory for memory in learnt if holds_to(results, memory, task) == last]
    text = f"**{task}**, trained on at most {about['length']} {about['unit']} ({about['steps']} steps): "
    if not learnt:
        best = order[0]
        return (
            text
            + f"none of {len(run)} memories learns it; {best} is nearest, at {results.median(best, task, first):.2f}."
        )
    text += f"learnt by {_list(learnt)} ({len(learnt)} of {len(run)})"
    return text + (
        f", at {last} times the length by {_list(held)}." if held else f", at {last} times the length by none."
    )


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def settings_text(entry: "Entry") -> str:
    """An entry's arguments on one line; the fitted one by its name."""
    arguments: dict[str, Any] = dict(entry.init_args)
    text = ", ".join(f"{name}: {json.dumps(value)}" for name, value in arguments.items())
    fitted = f"`{entry.fit}` fitted" if entry.fit else ""
    return "; ".join(part for part in (f"`{text}`" if text else "", fitted) if part) or "as they are"
