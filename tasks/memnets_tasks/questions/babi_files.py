"""The files of the bAbI tasks: stories and questions, a numbered line each."""

import re
from pathlib import Path
from typing import NamedTuple

MOST_BYTES = 256 << 20
NAME = re.compile(r"qa(\d+)_.*_(train|test)\.txt")
_WORDS = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*|[.?!,;:]")


class Story(NamedTuple):
    """A story with all of its questions.

    Attributes:
        task: The number of the task, 1 to 20.
        words: What is shown, in order, lower case: words, full stops, question marks, and ``ANSWER`` in place of each
            word of an answer.
        answers: ``{place: word}``; what belongs at each place of ``ANSWER``.
    """

    task: int
    words: list[str]
    answers: dict[int, str]


ANSWER = "-"
"""Shown where a word of an answer is wanted, as in the DNC paper."""


class BadLine(ValueError):
    """A line that cannot be used; the message says why, and what it should be."""


def find_files(folder: Path, part: str) -> dict[int, Path]:
    """The files of one part, "train" or "test", by the number of the task.

    Raises:
        ValueError: If there is none, or there are two of one task.
    """
    if not folder.is_dir():
        raise ValueError(f"folder is {folder}, which is no folder; give the one with the files qa1_..._train.txt")
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        match = NAME.fullmatch(path.name)
        if match and match[2] == part:
            task = int(match[1])
            if task in found:
                raise ValueError(f"{path} and {found[task].name} are both of task {task}; leave one of them")
            found[task] = path
    if not found:
        raise ValueError(f"{folder} has no file qa<number>_<name>_{part}.txt; give a folder such as en or en-10k")
    return dict(sorted(found.items()))


def read_stories(path: Path, task: int) -> list[Story]:
    """The stories of a file; a line numbered 1 begins a new one.

    Raises:
        ValueError: If the file cannot be read, or has bad lines: the message names each file and line, up to three.
    """
    from memnets.base.regular_files import UnusableFile, read_within

    try:
        lines = read_within(path.parent, path.name, MOST_BYTES).decode("utf-8").splitlines()
    except (UnusableFile, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error}); give the file as it was published, in UTF-8") from error
    stories: list[Story] = []
    problems: list[str] = []
    before = 0
    for number, line in enumerate(lines, start=1):
        try:
            before = _read_line(line, before, task, stories)
        except BadLine as error:
            problems.append(f"{path}:{number}: {error}")
            before = _number(line) or before + 1
    if not problems and not any(story.answers for story in stories):
        problems.append(f"{path}: no line asks a question; give <number> <question><tab><answer><tab><numbers>")
    if problems:
        more = f"; and {len(problems) - 3} more bad lines" if len(problems) > 3 else ""
        raise ValueError("; ".join(problems[:3]) + more)
    return stories


def _number(line: str) -> int:
    head = line.split(" ", 1)[0]
    return int(head) if head.isascii() and head.isdigit() and len(head) < 10 else 0


def _read_line(line: str, before: int, task: int, stories: list[Story]) -> int:
    """Take one line into the story it belongs to, and give its number."""
    number = _number(line)
    if number not in (1, before + 1) or not number:
        wanted = f"1 or {before + 1}" if before else "1"
        raise BadLine(f"it begins with {line.split(' ', 1)[0][:20]!r}; give the number {wanted} and a space")
    if number == 1:
        stories.append(Story(task, [], {}))
    text, *question = line.split(" ", 1)[1].split("\t") if " " in line else [""]
    words = _WORDS.findall(text.lower())
    if not words:
        raise BadLine("it has no words after its number; give a sentence or a question")
    story = stories[-1]
    story.words.extend(words)
    if not question:
        return number
    answers = question[0].strip().lower().split(",")
    if not all(answers):
        raise BadLine("its answer is empty; give <question><tab><answer><tab><numbers>")
    facts = question[1].split() if len(question) > 1 else []
    if len(question) > 2 or not all(_number(fact) and _number(fact) < number for fact in facts):
        raise BadLine(f"its supporting facts are {' '.join(question[1:])[:60]!r}; give numbers of lines before it")
    for answer in answers:
        story.answers[len(story.words)] = answer
        story.words.append(ANSWER)
    return number
