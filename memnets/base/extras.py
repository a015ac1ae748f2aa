"""Libraries that ``pip install memnets`` leaves out, and the extra that brings each."""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator

EXTRAS = {
    "lightning": "train",
    "jsonargparse": "train",
    "filelock": "train",
    "yaml": "train",
    "rich": "train",
    "shtab": "train",
    "wandb": "train",
    "matplotlib": "figures",
    "PIL": "images",
    "fontTools": "images",
    "lmdb": "images",
    "skimage": "images",
    "sklearn": "images",
    "torchmetrics": "images",
    "ray": "ray",
}
"""By the name that is imported."""


def remedy(module: str | None) -> str | None:
    """What to do where ``module`` is not installed; None where no extra brings it."""
    library = (module or "").split(".")[0]
    extra = EXTRAS.get(library)
    return extra and f'{library} is not installed: pip install "memnets[{extra}]"'


def require(*libraries: str, purpose: str) -> None:
    """Raise ImportError, with the extra that brings it, where one of the libraries is not installed.

    Args:
        libraries: of :data:`EXTRAS`.
        purpose: what needs them.
    """
    for library in libraries:
        present = sys.modules[library] is not None if library in sys.modules else importlib.util.find_spec(library)
        if not present:
            raise ImportError(f"{purpose} needs what is missing here: {remedy(library)}", name=library)


@contextlib.contextmanager
def naming_extras(purpose: str) -> Iterator[None]:
    """While the block runs, let the error of a library that is not installed name the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (what := remedy(error.name)) is None:
            raise
        raise ImportError(f"{purpose} needs what is missing here: {what}", name=error.name) from error
