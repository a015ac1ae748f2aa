"""What becomes of damaged and hostile data: images, LMDBs, lists, fonts and traps, each in a worker with limits.

Prints a table of outcomes; exit code 1 where an error was not a clear one, a trap was not named, a worker died or
took too long, or a program was started. A case is a function of the seed, its kind and its number: with `--only
lmdbs:17` it runs alone, and its error is printed whole.
"""

import argparse
import collections
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

OUTCOMES = ("accepted", "skipped", "clear error", "uncaught error", "death", "timeout")
BAD = OUTCOMES[3:]
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn")


class Result(NamedTuple):
    """What became of a case: one of `OUTCOMES`, the reasons or the error, seconds, and the worker's peak in MB."""

    outcome: str
    what: tuple[str, ...]
    seconds: float = 0.0
    megabytes: int = 0


def work(connection: Connection, seed: int, room: int) -> None:
    """Run the cases that are sent, in at most `room` bytes beyond what the libraries take."""
    import numpy as np
    from data_traps import TRAPS
    from hostile_data import KINDS

    warnings.simplefilter("ignore")
    logging.disable()
    started: list[str] = []
    sys.addaudithook(lambda event, _: started.append(event) if event in PROGRAMS else None)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    used = int(status["VmData"].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (used + room, used + room))
    connection.send(len(TRAPS))  # ready
    while (case := connection.recv()) is not None:
        kind, number, folder = case
        expected = ""
        begun = time.perf_counter()
        try:
            if kind == "traps":
                load, expected = list(TRAPS.values())[number]
                result = judged(load(Path(folder)), expected)
            else:
                random = np.random.default_rng([seed, list(KINDS).index(kind), number])
                result = judged(KINDS[kind](random, Path(folder)))
        except Exception as error:
            result = of_error(error, expected)
        if started:
            result = Result("uncaught error", (f"started a program: {started.pop()}",))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        connection.send(result._replace(seconds=time.perf_counter() - begun, megabytes=peak))


def judged(reasons: dict[str, int], expected: str = "") -> Result:
    """The outcome of data that was loaded; a trap must have been skipped for its reason."""
    if expected and not any(expected in reason for reason in reasons):
        return Result("uncaught error", (f"skipped for {reasons or 'nothing'}, not for {expected!r}",))
    return Result("skipped" if reasons else "accepted", tuple(reasons))


def of_error(error: Exception, expected: str = "") -> Result:
    """The outcome of an error: clear where it is a ValueError of one line that the loaders themselves raise."""
    ours = "memnets_tasks" in traceback.extract_tb(error.__traceback__)[-1].filename
    message = str(error)
    if ours and isinstance(error, ValueError) and "\n" not in message and expected in message:
        return Result("clear error", (message[:150],))
    return Result("uncaught error", ("".join(traceback.format_exception(error)).strip(),))


class Worker:
    """A process that runs cases one at a time, and is started anew when it dies or takes too long."""

    def __init__(self, seed: int, room: int, limit: float) -> None:
        self.arguments, self.limit = (seed, room), limit
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=work, args=(other, *self.arguments), daemon=True)
        self.process.start()
        other.close()
        self.traps: int = self.connection.recv()

    def run(self, kind: str, number: int) -> Result:
        """What becomes of a case."""
        with tempfile.TemporaryDirectory(prefix="attack-") as folder:
            (Path(folder) / "set").mkdir()
            self.connection.send((kind, number, f"{folder}/set"))
            try:
                if self.connection.poll(self.limit):
                    return self.connection.recv()
                result = Result("timeout", (f"more than {self.limit} s",), self.limit)
            except (EOFError, ConnectionResetError):
                self.process.join()
                result = Result("death", (f"exit code {self.process.exitcode}",))
            self.process.kill()
            self.process.join()
            self._start()
            return result

    def close(self) -> None:
        """End the process."""
        self.connection.send(None)
        self.process.join(10)


def table(results: dict[tuple[str, int], Result]) -> str:
    """Outcomes by kind, and below them why items were skipped."""
    lines = ["| kind | cases | " + " | ".join(OUTCOMES) + " | slowest, s |", "|---" * (len(OUTCOMES) + 3) + "|"]
    kinds = list(dict.fromkeys(kind for kind, _ in results))
    for kind in kinds:
        mine = [result for (other, _), result in results.items() if other == kind]
        counts = collections.Counter(result.outcome for result in mine)
        row = [kind, len(mine), *(counts[outcome] for outcome in OUTCOMES), f"{max(r.seconds for r in mine):.2f}"]
        lines.append(f"| {' | '.join(map(str, row))} |")
    for kind in kinds:
        reasons: collections.Counter[str] = collections.Counter()
        for (other, _), result in results.items():
            if other == kind and result.outcome == "skipped":
                reasons.update(set(result.what))
        if reasons:
            lines.append(f"\n{kind}, skipped: " + "; ".join(f"{why} {count}" for why, count in reasons.most_common()))
    return "\n".join(lines)


def cases_of(options: argparse.Namespace, traps: int) -> list[tuple[str, int]]:
    if options.only:
        kind, _, number = options.only.partition(":")
        return [(kind, int(number))]
    counts = {"images": options.images, "lmdbs": options.lmdbs, "lists": options.lists, "fonts": options.fonts}
    return [(kind, n) for kind, count in (*counts.items(), ("traps", traps)) for n in range(count)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    for name, default in (("images", 2000), ("lmdbs", 1000), ("lists", 1000), ("fonts", 500), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--limit", type=float, default=20, help="seconds for a case")
    parser.add_argument("--room", type=int, default=2048, help="MB for a case")
    parser.add_argument("--only", help="one case, as KIND:NUMBER")
    options = parser.parse_args(arguments)
    worker = Worker(options.seed, options.room << 20, options.limit)
    results: dict[tuple[str, int], Result] = {}
    for case in cases_of(options, worker.traps):
        results[case] = result = worker.run(*case)
        if result.outcome in BAD or options.only:
            said = "; ".join(result.what)
            print(
                f"{case[0]}:{case[1]} {result.outcome}: {said if options.only else said.splitlines()[-1]}", flush=True
            )
    worker.close()
    print(table(results))
    print(f"\nlargest worker: {max(result.megabytes for result in results.values())} MB")
    return int(any(result.outcome in BAD for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
