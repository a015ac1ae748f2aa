"""Tasks that ship with memnets, one line each; of one that is named, examples.

Settings of the task are written as for fit: --task.key value.

  memnets tasks
  memnets tasks Copy --length 5 --save copy.png
  memnets tasks Recognition --task.language dyck-2-3 --examples 8
  memnets tasks my_lab.Reverse
"""

import argparse

from .parser import positive

TAKES_SETTINGS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which task, and which examples of it."""
    parser.usage = "memnets tasks [TASK [options] [--task.key value ...]]"
    add = parser.add_argument
    add("task", metavar="TASK", nargs="?", help="a class that `memnets tasks` lists, or module.Class of your own")
    add("--examples", metavar="N", type=positive, default=3, help="how many are printed (3)")
    add("--length", type=positive, help="of each, in the task's unit; drawn as in training by default")
    add("--seed", type=int, default=0, help="which examples (0)")
    add("--save", metavar="FILE", help="draw them into this .png, .pdf or .svg")


def run(options: argparse.Namespace) -> int:
    """``memnets tasks``."""
    from ..experiments.examples import print_examples, print_tasks

    if options.task is None:
        if options.settings:
            options.parser.error(f"unrecognized arguments: {' '.join(options.settings)}")
        print_tasks()
    else:
        print_examples(
            options.task,
            options.settings,
            count=options.examples,
            length=options.length,
            seed=options.seed,
            save=options.save,
        )
    return 0
