"""What a cell's file has to hold, so that one that was damaged, or is a stranger's, is told before it is used."""

from collections.abc import Sequence
from typing import Any

from ...base.kinds import NUMBER, OR_NONE, find_wrong

TRAINING = {
    "rate": NUMBER,
    "seed": int,
    "steps": int,
    "seconds": NUMBER,
    "milliseconds": NUMBER,
    "solved_at": (int, type(None)),
    "error": OR_NONE,
    "diverged": (str, type(None)),
}
SCORED = {"length": int, "score": NUMBER, "scores": dict}
ABOUT = {
    "fitted": dict,
    "state": int,
    "parameters": int,
    "kept_bytes": NUMBER,
    "backend": str,
    "length": int,
    "unit": str,
    "steps": int,
    "date": str,
    "machine": {"cpu": str, "cores": object, "torch": str, "threads": int},
}


def is_record(found: Any, multiples: Sequence[int]) -> bool:
    """Whether it is what is known of a cell: see :func:`memnets.experiments.atlas.cell.run_cell`.

    Args:
        found: what the file holds.
        multiples: of the longest training length, at which each training that is reported was tested.
    """
    measured = TRAINING | {"scores": {str(multiple): SCORED for multiple in multiples}}
    if find_wrong(found, {"asked": dict, "chosen": [TRAINING], "measured": [measured]}) is not None:
        return False
    if any(set(training["scores"]) != set(measured["scores"]) for training in found["measured"]):
        return False
    needs_about = bool(found["measured"]) or "about" in found
    return isinstance(found.get("error", ""), str) and (
        not needs_about or find_wrong(found.get("about"), ABOUT) is None
    )
