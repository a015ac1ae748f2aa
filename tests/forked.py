"""``memnets`` in a process of its own, forked from one that has imported already what a new one takes seconds for."""

import multiprocessing
import os
import sys
import tempfile
from multiprocessing.reduction import DupFd
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

TESTS = Path(__file__).resolve().parent
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["memnets.cli", "memnets.experiments.start", "memnets.experiments.finish"])


def run(
    arguments: list[str], environment: dict[str, str], folder: Path, *, drawn: bool, timeout: float = 300
) -> CompletedProcess[str]:
    """``subprocess.run`` of a command with its output kept, as text."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = _start(arguments, environment, folder, drawn, output.fileno(), errors.fileno())
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise TimeoutExpired(arguments, timeout)
        output.seek(0)
        errors.seek(0)
        return CompletedProcess(arguments, process.exitcode, output.read(), errors.read())


class Started:
    """As ``subprocess.Popen`` of a command whose output and errors go into one pipe, ``stdout``."""

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path, *, drawn: bool = False):
        reading, writing = os.pipe()
        self.stdout = os.fdopen(reading)
        self._process = _start(arguments, environment, folder, drawn, writing, writing)
        os.close(writing)
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def communicate(self, timeout: float = 60) -> str:
        """The rest of what it prints, once it has ended."""
        with self.stdout:
            rest = self.stdout.read()
        self._process.join(timeout)
        assert self.returncode is not None, f"goes on {timeout} s after it closed its output"
        return rest


def _start(arguments: list[str], environment: dict[str, str], folder: Path, drawn: bool, output: int, errors: int):
    given = (arguments, environment, folder, drawn, DupFd(output), DupFd(errors))
    process = SERVER.Process(target=_command, args=given)
    process.start()
    return process


def _command(arguments: list[str], environment: dict[str, str], folder: Path, drawn: bool, output, errors) -> None:
    """What ``python -m memnets`` would do, in the forked process; without the figures at the end unless ``drawn``."""
    os.dup2(output.detach(), 1)
    os.dup2(errors.detach(), 2)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [
        *filter(None, paths),
        *(path for path in sys.path if path and TESTS not in (Path(path), *Path(path).parents)),
    ]
    sys.argv = ["memnets", *arguments]

    from memnets.cli import main
    from memnets.experiments import finish

    if not drawn:
        finish.draw_run = lambda *_, **__: {}
    sys.exit(main())
