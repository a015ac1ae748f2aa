"""``python -m memnets``."""

import os
import sys

if (
    not sys.flags.safe_path
    and sys.path
    and sys.path[0] in ("", os.getcwd())
    and not __file__.startswith(os.path.join(os.getcwd(), ""))
):
    del sys.path[0]  # Python puts the working directory first, whose files are not to be taken for modules

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
