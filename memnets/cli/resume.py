"""Go on with a run as if it had not been stopped, or for longer, or with another rate, device or precision."""

import argparse

from .parser import add_trust

TAKES_SETTINGS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, and settings that change."""
    parser.usage = "memnets resume RUN_DIR [--key value ...]"
    parser.epilog = (
        "What may change within a run: --optimizer.lr, --optimizer.weight_decay, --trainer.* (max_steps, max_time,\n"
        "accelerator, devices, precision, callbacks, ...), --loggers, --wandb.*, --model.backend. A run that has\n"
        "ended goes on where --trainer.max_steps or --trainer.max_time gives it more."
    )
    add_trust(parser)
    parser.add_argument("run_dir", metavar="RUN_DIR", help="a run directory, such as runs/copy-ntm/<id>")
    parser.add_argument("overrides", metavar="--key value", nargs=argparse.REMAINDER, help="settings that change")


def run(options: argparse.Namespace) -> int:
    """``memnets resume``."""
    from ..experiments.start import resume_directory

    overrides = [*options.settings, *(word for word in options.overrides if word != "--trust")]
    return resume_directory(options.run_dir, overrides, vouched=options.trust or "--trust" in options.overrides)
