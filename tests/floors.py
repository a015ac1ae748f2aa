"""Prints the lowest version that ``pyproject.toml`` allows of each dependency, as constraints for pip.

torch is left out: it is that of ``constraints.txt``, as those of old versions are gigabytes.
"""

import re
import tomllib
from pathlib import Path

LATER = {"torch", "pyright", "ruff"}
"""What is not tested at its floor: torch and what comes with it, and tools that no user needs."""


def floors(path: Path) -> list[str]:
    """``name==version`` of each dependency with a floor."""
    project = tomllib.loads(path.read_text())["project"]
    needs = [*project["dependencies"], *(need for extra in project["optional-dependencies"].values() for need in extra)]
    found = {}
    for need in needs:
        match = re.match(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)", need)
        if match and match[1] not in LATER:
            found[match[1]] = match[2]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


if __name__ == "__main__":
    print("\n".join(floors(Path(__file__).resolve().parent.parent / "pyproject.toml")))
