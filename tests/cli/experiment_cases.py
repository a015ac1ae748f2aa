"""Every experiment that ships, trained for two steps; its figures are drawn where they are the first of their kind."""

from memnets.cli import main
from memnets.experiments import finish
from memnets.experiments.catalogue import config_folder
from running import result

SMALL = ["--trainer.max_steps", "2", "--training.validation_size", "2", "--training.evaluation_sequences", "1"]
PLAIN = (
    *("-ntm", "-ntm-ff", "-dnc", "-mann", "-sam", "-sdnc", "-delta", "-weights"),
    *("-stack", "-tape", "-act", "-repeat"),
)
LENGTHS = {"caption": "[3]", "selective": "[20]"}


def names(*families: str) -> list[str]:
    """The experiments of some families of tasks."""
    return sorted(path.stem for family in families for path in (config_folder() / family).glob("*.yaml"))


def train(name: str, folder, monkeypatch, *more: str, figures: bool = True) -> None:
    if not figures:
        monkeypatch.setattr(finish, "draw_run", lambda *args, **kwargs: {})
    # Each would compile a kernel of its own; a decoder's cell takes its steps one by one.
    if name.endswith(PLAIN) and not name.startswith(("ocr", "caption", "copy-ntm", "translation")):
        inner = "network." if name.startswith(("chars", "stories")) else ""
        more = (*more, f"--model.{inner}backend", "reference")
    length = LENGTHS.get(name.split("-")[0], "[6]")
    shorter = ["--trainer.val_check_interval", "2", "--task.evaluation_lengths", length, "--wandb.mode", "disabled"]
    assert main(["fit", name, *SMALL, *shorter, *more, "--runs", str(folder), "--run_id", "a"]) == 0
    assert result(folder / name / "a")["steps"] == 2
