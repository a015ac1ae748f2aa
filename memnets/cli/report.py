"""Tables and curves of a sweep, finished or not."""

import argparse
from pathlib import Path

from ..base.errors import UsageError
from .parser import add_format, add_trust


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which sweep, and where the report goes."""
    parser.add_argument("sweep_dir", metavar="SWEEP_DIR", help="a sweep's directory, such as sweeps/copy-ntm")
    parser.add_argument("--markdown", help="where the tables go; SWEEP_DIR/report.md")
    parser.add_argument("--csv", help="where the row of each trial goes; SWEEP_DIR/report.csv")
    add_format(parser)
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets report``."""
    from ..experiments.printing import print_paths, say
    from ..experiments.reports.report import make_report
    from ..experiments.sweeps.directory import SweepDir
    from ..experiments.sweeps.plan import PlanError

    try:
        place, plan = SweepDir.open(Path(options.sweep_dir))
        markdown_file, csv_file = (Path(path) if path else None for path in (options.markdown, options.csv))
        trusted = options.trust or place.is_vouched()
        places = {"markdown_file": markdown_file, "csv_file": csv_file, "ending": f".{options.format}"}
        paths = make_report(place, plan, **places, trusted=trusted)
    except PlanError as error:
        raise UsageError(str(error)) from error
    say(paths["markdown"].read_text())
    print_paths(paths)
    return 0
