"""The reader that comes with the library, for those who have trained none."""

from pathlib import Path
from typing import Any

from ..base.errors import UsageError
from ..models.text_reader import TextReader
from ..vision.columns import ColumnEncoder
from .class_paths import find_class

FOLDER = Path(__file__).parent.parent / "weights" / "western"
"""What ``save_pretrained`` wrote, with its card; see there for what it was trained on, its figures and its limits."""

HEIGHT, CHANNELS = 32, (16, 32, 64, 128, 192, 192)
"""Of its encoder, as in ``configs/images/ocr-western.yaml``."""

SIZES = (1.0, 0.9, 0.8, 0.7)
"""It was trained on type that fills less of the height than that of a line which was cropped closely."""


def load_shipped() -> tuple[TextReader, Any]:
    """The reader of printed lines in the letters of Western Europe, and what loads images for it.

    Raises:
        UsageError: the weights are not there, as in a wheel that was made without them.
    """
    task: Any = find_class("memnets_tasks.TextLines")
    try:
        reader = TextReader.from_pretrained(FOLDER, encoder=ColumnEncoder(height=HEIGHT, channels=CHANNELS)).float()
    except FileNotFoundError as error:
        raise UsageError(f"{error}; give a run of your own with --run RUN_DIR") from error
    reader.sizes = SIZES
    return reader, task.loader({})
