"""Honest and hostile calls of every family's fused kernel under the address and undefined-behaviour sanitisers.

Prints a table of outcomes and writes it as JSON; exit code 1 where a sanitiser reported, a process died or hung, the
two backends did not do the same, or an error was not a clear one. `--only 17` runs one call and says all about it.
"""

import argparse
import collections
import datetime
import json
import os
import platform
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from sanitised import environment

BAD = ("DIFFERS", "TWO ERRORS", "RAW ERROR", "REPORT", "TIMEOUT")
GOOD = ("same numbers", "clear error", "refused", "torch's error", "ran")


class Found(NamedTuple):
    """What became of a call."""

    number: int
    group: str
    kind: str
    word: str
    what: str


def work(seed: int, programs: int) -> None:
    """In a process of its own: run the calls whose numbers come in, and say what became of them."""
    import logging
    import warnings

    from hostile_kernels import call

    warnings.simplefilter("ignore")
    logging.disable()
    for line in sys.stdin:
        group, outcome = call(seed, int(line), programs)
        print(json.dumps([group, *outcome]), flush=True)


class Worker:
    """A process under sanitisers that runs calls one at a time, and is started anew when it dies or takes too long."""

    def __init__(self, options: argparse.Namespace, folder: Path):
        self.options, self.folder, self.starts = options, folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        self._start()

    def _start(self) -> None:
        command = [sys.executable, __file__, "--worker", "--seed", str(self.options.seed)]
        command += ["--programs", str(self.options.programs)]
        surroundings = dict(os.environ) if self.options.plain else environment(self.folder)
        self.said = self.folder / f"stderr-{self.starts}"
        self.starts += 1
        with self.said.open("wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=surroundings
            )
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(self.process, self.lines), daemon=True).start()

    @staticmethod
    def _read(process: Any, lines: "queue.Queue[str | None]") -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def run(self, number: int) -> Found:
        """What becomes of the call of that number."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        try:
            line = self.lines.get(timeout=self.options.limit)
            if line is not None:
                return Found(number, *json.loads(line))
            self.process.wait()
            word, what = "REPORT", f"exit code {self.process.returncode}: {self._report()}"
        except queue.Empty:
            word, what = "TIMEOUT", f"more than {self.options.limit} s"
        self.close()
        self._start()
        return Found(number, "died", "died", word, what)

    def _report(self) -> str:
        lines = self.said.read_text(errors="replace").splitlines()
        if self.options.only is not None:
            return "\n".join(lines)
        wanted = [line for line in lines if "ERROR: " in line or "runtime error: " in line or "Error: " in line]
        return " ".join((wanted or lines[-1:])[:1])[:300]

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def table(found: list[Found]) -> str:
    """Outcomes by group."""
    words = [*GOOD, *BAD]
    lines = ["| calls | number | " + " | ".join(words) + " |", "|---" * (len(words) + 2) + "|"]
    groups = sorted({f.group for f in found})
    for group in [*groups, "all"]:
        mine = [f for f in found if group in (f.group, "all")]
        counts = collections.Counter(f.word for f in mine)
        lines.append(f"| {group} | {len(mine)} | " + " | ".join(str(counts[word]) for word in words) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--programs", type=int, default=8, help="different models of each family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first call")
    parser.add_argument("--limit", type=float, default=600, help="seconds for a call, compilation included")
    parser.add_argument("--only", type=int, help="one call")
    parser.add_argument("--plain", action="store_true", help="without sanitisers")
    parser.add_argument("--cache", type=Path, help="a folder for compiled kernels; one for this run alone if not given")
    parser.add_argument("--json", type=Path, help="add the figures to this file")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        work(options.seed, options.programs)
        return 0
    numbers = [options.only] if options.only is not None else range(options.first, options.first + options.calls)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        worker = Worker(options, options.cache or Path(folder))
        found: list[Found] = []
        for number in numbers:
            found.append(worker.run(number))
            if found[-1].word in BAD or options.only is not None:
                print(f"{number}: {found[-1].kind}: {found[-1].word}: {found[-1].what}", flush=True)
        worker.close()
    print(table(found))
    if options.json:
        write(options, found, time.perf_counter() - began)
    return int(any(f.word in BAD for f in found))


def write(options: argparse.Namespace, found: list[Found], seconds: float) -> None:
    """The figures as JSON, added to those of other calls of the same seed that the file holds."""
    import torch

    known: dict[str, Any] = json.loads(options.json.read_text()) if options.json.exists() else {}
    groups: dict[str, dict[str, int]] = known.get("outcomes", {})
    for f in found:
        row = groups.setdefault(f.group, {})
        row[f.word] = row.get(f.word, 0) + 1
    calls = known.get("calls", 0) + len(found)
    figures = {
        "command": f"python benchmarks/attacks/attack_kernels.py --calls {calls} --programs {options.programs} "
        f"--seed {options.seed}",
        "date": f"{datetime.date.today()}",
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}, 2 cores of an Intel Xeon",
        "seconds": known.get("seconds", 0) + round(seconds),
        "sanitisers": [] if options.plain else ["address", "undefined"],
        "calls": calls,
        "bad": known.get("bad", 0) + sum(f.word in BAD for f in found),
        "outcomes": groups,
    }
    options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
