"""What is printed of images that were read or described: lines of text, JSON, lines of JSON, CSV."""

import csv
import json
import re
import sys
from collections.abc import Callable
from typing import Any, Protocol

from ..base.terminal import escaped

CONTROLS = re.compile("[\x7f-\x9f\u2028\u2029]")
"""Those, and ends of lines, that JSON itself does not escape."""

Record = dict[str, Any]
"""What is said of one image: ``image`` and either ``error`` or what was read and how sure that is."""


class Writer(Protocol):
    """Takes the records one by one, in order, and then the end."""

    def add(self, record: Record) -> None:
        """One image."""

    def close(self) -> None:
        """There are no more."""


class TextLines:
    """Path, tab, text, tab, confidence; failures go to standard error alone."""

    def __init__(self, main: str):
        self.main = main

    def add(self, record: Record) -> None:
        """One line, with tabs and line ends in it escaped."""
        if "error" not in record:
            values = record["image"], record[self.main], f"{record['confidence']:.3f}"
            print("\t".join(map(escaped, values)), flush=True)

    def close(self) -> None:
        """Nothing."""


class JSONList:
    """One JSON list, at the end."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def add(self, record: Record) -> None:
        """Keep it."""
        self.records.append(record)

    def close(self) -> None:
        """Print the list."""
        print(_as_json(self.records, indent=2))


class JSONLines:
    """One JSON object a line, each as soon as it is known."""

    def add(self, record: Record) -> None:
        """One line."""
        print(_as_json(record), flush=True)

    def close(self) -> None:
        """Nothing."""


class CSVRows:
    """A head and a row for each image, failures among them."""

    def __init__(self, columns: list[str]):
        self.columns = columns
        self.rows = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
        self.rows.writeheader()

    def add(self, record: Record) -> None:
        """One row; what spreadsheets take for a formula is kept as it is: quote it there."""
        shown = {key: escaped(v, keep="\n\t") if isinstance(v, str) else v for key, v in record.items()}
        self.rows.writerow(shown)
        sys.stdout.flush()

    def close(self) -> None:
        """Nothing."""


def writer_for(format: str, main: str, columns: list[str]) -> Writer:
    """The writer of a format, one of :data:`FORMATS`; ``main`` is the value of a line of text."""
    made: dict[str, Callable[[], Writer]] = {
        "text": lambda: TextLines(main),
        "json": JSONList,
        "json-lines": JSONLines,
        "csv": lambda: CSVRows(columns),
    }
    return made[format]()


def _as_json(value: Any, indent: int | None = None) -> str:
    """JSON in characters that standard output has; a name of bytes that are no text is escaped as well."""
    text = CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, indent=indent, ensure_ascii=False))
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text
