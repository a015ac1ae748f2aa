"""The local engine and the lock, with trials that are quick because they train nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from memnets.experiments import lock
from memnets.experiments.engines import local, ray_tune
from memnets.experiments.engines.base import EngineOptions
from memnets.experiments.engines.display import Display
from memnets.experiments.engines.local import Interrupted, run_local
from memnets.experiments.sweeps.directory import SweepDir, TrialDir
from memnets.experiments.sweeps.plan import Plan
from memnets.experiments.sweeps.results import LogReader, last_line

RESULT = {
    "solved": True,
    "sequences_to_solve": 1600,
    "seconds_to_solve": 1.5,
    "steps": 200,
    "seconds": 3.0,
    "parameters": 9,
    "backend": "fused",
    "device": "cpu",
    "sequences": 3200,
    "metrics": {"val/bit_errors": 0.25},
    "lengths": {"3": {"bit_errors": 0.0}},
}
DONE = f"open('result.json', 'w').write({json.dumps(json.dumps(RESULT))})"
UNTIL_TOLD = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (open('saved', 'w'), sys.exit(143)))\n"
    "open('ready', 'w')\ntime.sleep(60)"
)


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """A sweep of four seeds, and a way to say what each trial does; they run in their own directories."""
    place, plan = SweepDir(tmp_path / "a"), Plan("a", {"copy-ntm": {}}, (0, 1, 2, 3))
    source = tmp_path / "copy-ntm.yaml"
    source.write_text("task: {}\n")
    place.begin(plan, {"copy-ntm": source})
    programs: dict[str, str] = {}

    def command(path, name, words=()):
        code = f"import os; os.chdir({str(path / name)!r})\n{programs.get(name, DONE)}"
        return [sys.executable, "-c", code]

    monkeypatch.setattr(local, "trial_command", command)
    return place, plan.trials(), programs


def run(sweep, capsys, processes=2):
    place, trials, _ = sweep
    display = Display(place, trials, processes)
    try:
        run_local(place, trials, EngineOptions(processes, 1, display))
    finally:
        printed = capsys.readouterr().out
    return printed, {trial.name: place.trial(trial) for trial in trials}


def test_all_are_done_and_not_more_than_asked_for_at_a_time(sweep, capsys, tmp_path):
    note = "open(os.path.join('..', f'{os.getpid()}'), 'w').write(''); import time; time.sleep(0.3)\n"
    count = "n = len([p for p in os.listdir('..') if p.isdigit()]); open('count', 'w').write(str(n))\n"
    for trial in sweep[1]:
        sweep[2][trial.name] = note + count + "os.remove(os.path.join('..', str(os.getpid())))\n" + DONE
    printed, places = run(sweep, capsys)
    assert all(place.is_done for place in places.values())
    assert {int((place.path / "count").read_text()) for place in places.values()} <= {1, 2}
    assert printed.count("started") == 4
    assert "done     copy-ntm/seed0: solved after 1,600 sequences; bit errors 0.25" in printed
    assert "4 of 4 done" in printed


def test_a_failing_trial_is_noted_and_the_rest_go_on(sweep, capsys):
    sweep[2]["copy-ntm/seed0"] = "print('memnets: error: the loss became NaN'); raise SystemExit(1)"
    sweep[2]["copy-ntm/seed1"] = "os.kill(os.getpid(), 11)"  # no chance to say anything
    printed, places = run(sweep, capsys)
    assert places["copy-ntm/seed0"].read(places["copy-ntm/seed0"].failure)["error"].endswith("the loss became NaN")
    assert places["copy-ntm/seed1"].read(places["copy-ntm/seed1"].failure)["status"] == -11
    assert "failed   copy-ntm/seed0: memnets: error: the loss became NaN" in printed
    assert all(places[f"copy-ntm/seed{seed}"].is_done for seed in (2, 3))


@pytest.mark.parametrize(("end", "failed"), [("raise SystemExit(3)", True), ("os.kill(os.getpid(), 15)", False)])
def test_on_ray_too_a_trial_that_dies_without_a_word_has_failed(end, failed, sweep, monkeypatch):
    tune = pytest.importorskip("ray.tune")
    place, trials, programs = sweep
    programs[trials[0].name] = end
    monkeypatch.setattr(ray_tune, "trial_command", local.trial_command)
    monkeypatch.setattr(tune, "report", lambda numbers: None)
    settings = {"sweep": str(place.path), "threads": 1, "cwd": str(place.path)}
    ray_tune._run_trial({"trial": trials[0].name}, **settings)
    directory = place.trial(trials[0])
    assert directory.has_failed == failed
    if failed:
        assert directory.read(directory.failure)["error"] == "exit status 3 without a word"


def test_one_that_was_killed_has_not_failed(sweep, capsys):
    sweep[2]["copy-ntm/seed2"] = "os.kill(os.getpid(), 9)"
    printed, places = run(sweep, capsys)
    assert "stopped by SIGKILL copy-ntm/seed2" in printed
    assert not places["copy-ntm/seed2"].has_failed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_trials_which_save_first(number, sweep, capsys):
    place, trials, programs = sweep
    for trial in trials:
        programs[trial.name] = UNTIL_TOLD

    def interrupt():
        while not all((place.path / f"copy-ntm/seed{seed}/ready").is_file() for seed in (0, 1)):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    handler = signal.getsignal(number)
    with pytest.raises(Interrupted) as stopped:
        run(sweep, capsys)
    thread.join()
    assert stopped.value.number == number
    assert signal.getsignal(number) is handler
    assert [(place.path / f"copy-ntm/seed{seed}/saved").is_file() for seed in range(4)] == [True, True, False, False]


def hold_elsewhere(directory, code: str = "time.sleep(60)") -> subprocess.Popen:
    """Another process in the trial's directory."""
    directory.mkdir(parents=True, exist_ok=True)
    program = "import time; from pathlib import Path; from memnets.experiments.lock import hold\n"
    program += f"d = Path({str(directory)!r})\n"
    program += f"with hold(d):\n    print('held', flush=True)\n    {code}"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_trial_that_another_process_runs_is_waited_for_and_not_run(sweep, capsys):
    place, trials, programs = sweep
    programs["copy-ntm/seed1"] = "open('twice', 'w')"
    code = f"time.sleep(1); (d / 'result.json').write_text({json.dumps(json.dumps(RESULT))})"
    other = hold_elsewhere(place.trial(trials[1]).path, code)
    printed, places = run(sweep, capsys)
    assert other.wait(10) == 0
    assert "waiting  copy-ntm/seed1: another process runs it" in printed
    assert places["copy-ntm/seed1"].is_done
    assert not (places["copy-ntm/seed1"].path / "twice").exists()


def test_the_lock_of_a_living_process_holds_and_that_of_a_dead_one_does_not(tmp_path):
    other = hold_elsewhere(tmp_path)
    said = lock.holder(tmp_path)
    assert said is not None
    assert f"is being run by process {other.pid} on {socket.gethostname()} (see trial.lock)" in said
    with pytest.raises(lock.HeldError, match=f"process {other.pid}"), lock.hold(tmp_path):
        pass
    other.kill()
    other.wait()
    assert (tmp_path / lock.NAME).is_file()
    assert lock.holder(tmp_path) is None
    with lock.hold(tmp_path):
        assert lock.holder(tmp_path) is not None
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_another_machine_holds_while_it_gives_signs_of_life(tmp_path):
    path = tmp_path / lock.NAME
    path.write_text(json.dumps({"host": "another-machine", "pid": 1}))
    again = r"process 1 on another-machine .*wait 5 minutes or delete the file"
    with pytest.raises(lock.HeldError, match=again), lock.hold(tmp_path):
        pass
    assert json.loads(path.read_text())["host"] == "another-machine"
    assert "another-machine" in (lock.holder(tmp_path) or "")


@pytest.mark.parametrize("ago", [lock.SILENT + 1, -lock.SILENT - 1, -1e8])
def test_the_lock_of_another_machine_does_not_outlast_it(ago, tmp_path):
    """Neither one that is silent, nor one whose clock was ahead."""
    path = tmp_path / lock.NAME
    path.write_text(json.dumps({"host": "another-machine", "pid": 1}))
    os.utime(path, (time.time() - ago,) * 2)
    assert lock.holder(tmp_path) is None
    with lock.hold(tmp_path):
        assert json.loads(path.read_text())["host"] == socket.gethostname()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("precious")
    run = tmp_path / "run"
    run.mkdir()
    (run / lock.NAME).symlink_to(tmp_path / "mine")
    with pytest.raises(lock.HeldError, match=r"trial.lock cannot be locked .*it is a link: remove it"), lock.hold(run):
        pass
    assert lock.holder(run) is None
    assert (tmp_path / "mine").read_text() == "precious"


def test_of_many_that_want_the_lock_at_once_one_gets_it(tmp_path):
    got, barrier = [], threading.Barrier(8)

    def want():
        barrier.wait()
        try:
            with lock.hold(tmp_path):
                got.append(1)
                time.sleep(1.5)
        except lock.HeldError:
            got.append(0)

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [0] * 7 + [1]


def test_the_log_is_followed(tmp_path):
    log = tmp_path / "trial.log"
    log.write_text("step    100  sequences    1,600  loss 0.1  bit errors 0.01  sequence accuracy 1\n")
    reader = LogReader(log)
    with log.open("a") as file:
        for error in (24.1, 3.5, 7.25):
            file.write(
                f"step  1,{error * 100:03.0f}  sequences   16,000  loss 0.6930  bit errors {error}  50.0 steps/s\n"
            )
        file.write("step  9,000  sequences 99,")
    reader.read()
    assert (reader.step, reader.best) == (1725, 3.5)
    assert last_line(log) == "step  9,000  sequences 99,"


@pytest.mark.parametrize(
    ("metrics", "best"),
    [
        ("excess -0.25  cost 128.2  optimal 128.5", -0.25),
        ("attention loss 0.4  ctc loss 1.2e-05  character error rate 0.3  alignment error 2", 0.3),
        ("word loss 0.4  coverage 0.2  gate 0.5  bleu1 0.9  bleu2 0.8", None),  # more is better
        ("bit errors nan  sequence accuracy 0", None),
        ("bit errors inf", float("inf")),
        ("distance 3e+02", 300.0),
    ],
)
def test_the_error_in_a_log_is_what_the_task_counts(metrics, best, tmp_path):
    log = tmp_path / "trial.log"
    reader = LogReader(log)
    log.write_text(f"step  1,000  sequences   16,000  loss 0.6930  {metrics}  50.0 steps/s\n")
    reader.read()
    assert (reader.step, reader.best) == (1000, best)


def test_an_error_of_the_sweep_itself_ends_the_trials(sweep, capsys, monkeypatch):
    place, trials, programs = sweep
    programs[trials[0].name] = UNTIL_TOLD

    def full(*_):
        if (place.path / "copy-ntm/seed0/ready").is_file():
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Display, "tick", full)
    with pytest.raises(OSError, match="No space left"):
        run((place, trials[:1], programs), capsys)
    deadline = time.monotonic() + 20
    while not (place.path / "copy-ntm/seed0/saved").is_file():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_failure_that_cannot_be_noted_stops_no_other(sweep, capsys, monkeypatch):
    sweep[2]["copy-ntm/seed0"] = "print('no room'); raise SystemExit(1)"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TrialDir, "fail", full)
    printed, places = run(sweep, capsys)
    assert "failed   copy-ntm/seed0: no room" in printed
    assert not places["copy-ntm/seed0"].has_failed  # so that it is run again
    assert sum(place.is_done for place in places.values()) == 3


def test_the_table_of_a_terminal(sweep):
    place, trials, _ = sweep
    first = place.trial(trials[0])
    first.path.mkdir(parents=True)
    first.result.write_text(json.dumps(RESULT))
    display = Display(place, trials, 2)
    display.ended(trials[0], "done", seconds=60.0)
    display.started(trials[1])
    cells = [list(column.cells) for column in display.table().columns]
    assert cells == [["copy-ntm"], ["1 of 4"], ["1"], ["0"], ["1"], ["0.25"], [""]]
    assert display.seconds_left() == pytest.approx(60)  # two wait, and two run at a time
    assert display.summary() == "1 of 4 done, 1 running, about 60 s left"
