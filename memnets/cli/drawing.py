"""Where matplotlib may take its settings from."""

import contextlib
import importlib
import os
import tempfile


def settle_matplotlib() -> None:
    """Have matplotlib pass over a ``matplotlibrc`` of the working directory, which may be a stranger's.

    It may have TeX typeset the figures' texts, with a preamble that reads any file; a pipe is waited for. Matplotlib
    looks for it once, when it is first imported, and has no setting against it: so it is imported from elsewhere.
    """
    if not os.path.lexists("matplotlibrc"):
        return
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        try:
            with contextlib.suppress(ImportError):
                importlib.import_module("matplotlib")
        finally:
            os.chdir(before)
