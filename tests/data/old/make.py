"""Makes the files of this folder with memnets 0.1.0, and notes what that version says of them.

Only version 0.1.0 (commit 69f61ee) can run this: the files are of use because later versions did not write them.

    PYTHONPATH=<clone of 69f61ee>:<clone of 69f61ee>/tasks python tests/data/old/make.py

It takes a minute on one core, and works in a temporary folder with relative paths, so that no file names a machine.
"""

import contextlib
import csv
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from PIL import Image

HERE = Path(__file__).resolve().parent

COMMON = ["--wandb.mode", "disabled", "--training.batch_size", "2", "--training.evaluation_sequences", "4"]
SMALL = ["--model.hidden_size", "6", "--optimizer.lr", "1e-2"]
MEMORY = [*SMALL, "--model.slots", "8", "--model.width", "4"]
BITS = ["--task.bits", "3", "--task.max_length", "4", "--task.evaluation_lengths", "[3,6]"]
SORT = ["--task.bits", "3", "--task.vectors", "5", "--task.outputs", "4", "--task.evaluation_lengths", "[5,6]"]
ENCODER = ["--model.encoder", "memnets.encoders.ColumnEncoder", "--model.encoder.height", "16"]
ENCODER += ["--model.encoder.channels", "[3,6]", "--model.encoder.output_size", "8"]
GRID = ["--model.encoder", "memnets.encoders.GridEncoder", "--model.encoder.channels", "[3,4,6]"]
GRID += ["--model.encoder.output_size", "6"]
DECODER = ["--model.embedding_size", "4", "--model.attention_size", "4", "--model.hidden_size", "6"]
LINES = ["--task.height", "16", "--task.max_length", "4", "--task.evaluation_lengths", "[2,4]", "--model.height", "16"]
LETTERS = ["--task.charset", "abcdefghijklmnopqrstuvwxyz"]
SCENES = ["--task.size", "48", "--task.max_length", "2", "--task.evaluation_lengths", "[1,2]"]


def steps(last: int, check: int, log: int = 1, sequences: int = 4) -> list[str]:
    """How long to train, and how often to validate, on how many sequences, and to log."""
    words = ["--trainer.max_steps", last, "--trainer.val_check_interval", check, "--trainer.log_every_n_steps", log]
    return [*map(str, words), "--training.validation_size", str(sequences)]


LONG = ["--optimizer.lr", "1e-2", *steps(200, 100, 50)]
TASKS = {
    "copy-ntm/finished": [*BITS, *MEMORY, "--training.min_slots", "4", *LONG],
    "copy-ntm-ff/finished": [*BITS, *MEMORY, "--training.min_slots", "4", *LONG],
    "copy-lstm/finished": [*BITS, *SMALL, "--model.num_layers", "1", *LONG],
    "repeat-copy-ntm/finished": [
        *(*BITS[:2], "--task.max_length", "3", "--task.max_repeats", "2", "--task.evaluation_lengths", "[3,6]"),
        *(*MEMORY, "--model.controller", "gru", "--training.min_slots", "4", *LONG),
    ],
    "associative-recall-ntm/finished": [
        *("--task.bits", "3", "--task.item_length", "2", "--task.max_items", "3", "--task.evaluation_lengths", "[3,4]"),
        *(*MEMORY, "--model.num_layers", "2", *LONG),
    ],
    "ngrams-ntm-ff/finished": [
        *("--task.order", "2", "--task.min_length", "8", "--task.max_length", "10"),
        *("--task.evaluation_lengths", "[10,20]", *MEMORY, *LONG),
    ],
}
IMAGES = {
    "ocr-words/finished": [*LINES, *LETTERS, *ENCODER, *DECODER, *LONG],
    "ocr-words-ctc/finished": [
        *(*LINES, "--task.words", "mixed", "--task.restyle", "1.0", *ENCODER, *DECODER, *LONG),
    ],
    "ocr-words-content/finished": [
        *(*LINES, *LETTERS, *ENCODER, "--model.encoder.recurrent_size", "3", *DECODER, "--model.cell", "ntm"),
        *("--model.slots", "8", "--model.width", "4", *LONG),
    ],
    "caption-scenes/finished": [*SCENES, *GRID, *DECODER, *LONG],
    "caption-scenes-ntm/finished": [
        *(*SCENES, *GRID, *DECODER, "--model.slots", "8", "--model.width", "4", *LONG),
    ],
}
STOPPED: dict[str, tuple[int, str, list[str]]] = {
    # Stopped while it anneals, which ends it before its last step; gradients clipped at spikes, slots varied.
    "copy-ntm/stopped": (
        *(20, "SIGTERM"),
        [
            *(*BITS, *MEMORY, "--training.min_slots", "4", "--training.threshold", "50", "--training.checks", "2"),
            *("--training.anneal_steps", "20", "--training.spike_clip", "1.0", *steps(60, 8)),
            *("--trainer.callbacks", "lightning.pytorch.callbacks.LearningRateMonitor"),
        ],
    ),
    # Its weights collapse after it was stopped, and training goes back to some of before, in float64.
    "priority-sort-ntm-ff/stopped": (
        *(32, "SIGTERM"),
        [
            *(*SORT, *MEMORY, "--optimizer.lr", "5e-2", "--model.read_heads", "2", "--model.write_heads", "1"),
            *("--curriculum.steps", "40", "--training.collapse_rise", "0.05", *steps(60, 2, sequences=2)),
            *("--trainer.precision", "64-true"),
        ],
    ),
    # Killed between two checkpoints. Attention jitters and the cell starts anew by torch's own random numbers.
    "ocr-digits-twice-ntm/stopped": (
        *(7, "SIGKILL"),
        [
            *(*LINES, *ENCODER, *DECODER, "--model.slots", "8", "--model.width", "4", "--model.dropout", "0"),
            *("--model.sampling", "0.3", "--model.restart", "0.3", "--optimizer.lr", "1e-2", *steps(12, 5)),
        ],
    ),
}
SWEEP = ["copy-lstm", "--seeds", "0,1", "--grid", "model.hidden_size=4,6", "--name", "small", *COMMON, *BITS]
SWEEP += ["--model.num_layers", "1", "--optimizer.lr", "1e-2", *steps(30, 10, 10), "--training.pictures_every", "0"]
SWEEP += ["--engine", "local", "--processes", "1", "--threads", "1"]

STOP = """
import os, signal, sys
from memnets.cli import main
from memnets.training.learner import SequenceLearner

step, number = int(sys.argv[1]), getattr(signal, sys.argv[2])
genuine = SequenceLearner.on_train_batch_end

def stop(self, *arguments):
    genuine(self, *arguments)
    if self.trainer.global_step == step:
        os.kill(os.getpid(), number)

SequenceLearner.on_train_batch_end = stop
sys.exit(main(sys.argv[3:]))
"""
"""A run that gets a signal at the end of one step, and of no other."""


def memnets(*arguments: str) -> str:
    """What a command prints."""
    from memnets.cli import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = main([*arguments])
    if status:
        raise SystemExit(f"memnets {' '.join(arguments)}: exit status {status}\n{printed.getvalue()}")
    return printed.getvalue()


def fit_arguments(name: str, settings: list[str]) -> list[str]:
    experiment, run_id = name.split("/")
    return ["fit", experiment, "--run_id", run_id, *COMMON, "--training.pictures_every", "0", *settings]


def make_runs() -> None:
    """Finished runs, and runs that were stopped."""
    for name, settings in {**TASKS, **IMAGES}.items():
        memnets(*fit_arguments(name, settings))
    for name, (step, number, settings) in STOPPED.items():
        words = [sys.executable, "-c", STOP, str(step), number, *fit_arguments(name, settings)]
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        wanted = {"SIGTERM": 128 + signal.SIGTERM, "SIGKILL": -signal.SIGKILL}[number]
        if done.returncode != wanted or Path("runs", name, "result.json").exists():
            raise SystemExit(f"{name} was not stopped: {done.stdout}{done.stderr}")


def make_sweep() -> None:
    """A sweep whose trials have ended; the machine's name is no one's business."""
    memnets("sweep", *SWEEP)
    for path in Path("sweeps").rglob("attempts.json"):
        attempts = [{**facts, "host": "machine"} for facts in json.loads(path.read_text())]
        path.write_text(json.dumps(attempts, indent=2) + "\n")


def make_images() -> None:
    """Two lines and two scenes to read and describe."""
    from memnets_tasks import Scenes, TextLines

    Path("images").mkdir()
    random = torch.Generator().manual_seed(5)
    batch = TextLines(height=16, words="generated").sample(2, torch.tensor([3, 5]), random)
    for n, (image, width) in enumerate(zip(batch.images, batch.widths.tolist())):
        grey = (image[0, :, :width] * 255).round().byte().numpy()
        Image.fromarray(grey).save(f"images/line{n}.png")
    for n, image in enumerate(Scenes(size=48, noise=0.0).sample(2, 1, random).images):
        Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy()).save(f"images/scene{n}.png")


def read_table(printed: str) -> dict[str, list[str]]:
    """What ``memnets lengths`` prints: the cells of each length."""
    rows = [re.split(r"\s*│\s*", line.strip())[1:-1] for line in printed.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in rows}


def lengths_arguments(name: str) -> list[list[str]]:
    asked = [["--sequences", "20"]]
    if name == "copy-ntm/finished":
        asked += [["--sequences", "20", "--lengths", "4,8", "--slots", "16"]]
    if name == "repeat-copy-ntm/finished":
        asked += [["--sequences", "20", "--repeats", "3"]]
    if name == "ocr-words/finished":
        asked += [["--sequences", "10", "--decode", "joint", "--beam", "2", "--split", "unseen-font"]]
    return asked


def look(name: str) -> list[list[str]]:
    """Commands that read or describe images, with the options of that run; none where it is neither's."""
    lines, scenes = (["images/line0.png", "images/line1.png"], ["images/scene0.png", "images/scene1.png"])
    if name.startswith("caption"):
        return [["describe", *scenes], ["describe", *scenes, "--beam", "2"]]
    if not name.startswith("ocr"):
        return []
    ways = [[], ["--decode", "ctc"], ["--decode", "joint", "--beam", "2"]]
    return [["read", *lines, *way] for way in (ways if name == "ocr-words/finished" else ways[:1])]


def numbers_of(run: Path, after: int) -> dict[str, Any]:
    """The metrics of each later step, and the end, without times."""
    with (run / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["step"]) > after]
    kept = [{name: float(v) for name, v in row.items() if v and "per_second" not in name} for row in rows]
    result = json.loads((run / "result.json").read_text())
    ours = {key: value for key, value in result.items() if "seconds" not in key and key not in ("backend", "device")}
    return {"metrics": kept, "result": ours}


def note_runs() -> None:
    """``runs/<experiment>/<id>.json``: what this version says of each run."""
    for name in [*TASKS, *IMAGES, *STOPPED]:
        run = Path("runs", name)
        said: dict[str, Any] = {}
        if name in STOPPED:
            shutil.copytree("runs", "continued")
            continued = Path("continued", name)
            checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
            print(*(line for line in memnets("resume", str(continued)).splitlines() if "back to" in line), sep="\n")
            said["checkpoint_step"] = checkpoint["global_step"]
            said["continued"] = numbers_of(continued, checkpoint["global_step"])
            shutil.rmtree("continued")
        said["lengths"] = [
            {"arguments": asked, "table": read_table(memnets("lengths", str(run), *asked))}
            for asked in lengths_arguments(name)
        ]
        said["images"] = []
        for command in look(name):
            printed = json.loads(memnets(*command, "--run", str(run), "--json", "--no-figures"))
            answers = [(answer.get("text", answer.get("caption")), answer["confidence"]) for answer in printed]
            said["images"].append({"arguments": command, "said": answers})
        run.with_suffix(".json").write_text(json.dumps(said) + "\n")


def keep(folder: Path) -> None:
    """Put everything but figures beside this script."""
    for name in ("runs", "sweeps", "images", "pretrained"):
        shutil.rmtree(HERE / name, ignore_errors=True)
        shutil.copytree(folder / name, HERE / name, ignore=shutil.ignore_patterns("figures", "wandb", "trial.lock"))


def main() -> None:
    import memnets as library

    if library.__version__ != "0.1.0" or not importlib.util.find_spec("memnets.training.callbacks.go_back"):
        raise SystemExit(f"this is memnets {library.__version__} of {library.__file__}: check out 69f61ee")
    torch.set_num_threads(1)
    sys.path.insert(0, str(HERE))
    from make_pretrained import make_pretrained

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        make_pretrained(Path("pretrained"))
        make_images()
        make_runs()
        make_sweep()
        note_runs()
        keep(Path(folder))
    print(f"{sum(p.stat().st_size for p in HERE.rglob('*') if p.is_file()):,} bytes in {HERE}")


if __name__ == "__main__":
    main()
