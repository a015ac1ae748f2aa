"""Lines of text from files: LMDB, gt.txt, labels.json, IAM."""

from collections.abc import Mapping
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt
import torch

from memnets_tasks._checks import check_at_least
from memnets_tasks.base import Splits
from memnets_tasks.images.base import TextTask
from memnets_tasks.images.batches import TextLineBatch
from memnets_tasks.images.file_task import FileTask
from memnets_tasks.images.folders import existing_file
from memnets_tasks.images.loading import LineLoader, pad_lines, with_defaults
from memnets_tasks.images.pictures import check_ink, grey_line
from memnets_tasks.images.skipped_items import SkippedItems
from memnets_tasks.images.text_formats import TEXT_FORMATS, guess_text_format


@final
class TextLineFiles(FileTask, TextTask):
    """Read lines of text from a data set on disk.

    Labels are read at once, images when they are drawn. Labels are kept in Unicode normal form C and otherwise as
    they are, spaces and case included. Whatever cannot be used is skipped, reported with its key, and counted in
    ``skipped``; ``check_images()`` looks at all images beforehand. For a test set give the training set's charset:
    its lines with other characters are then counted as skipped, since no model trained there could read them.

    | format     | path                                                                                     |
    |------------|------------------------------------------------------------------------------------------|
    | ``lmdb``   | a folder with ``data.mdb``: ``image-%09d``, ``label-%09d`` from 1 on, ``num-samples``    |
    | ``gt``     | ``gt.txt``: path of an image, tab, label                                                 |
    | ``labels`` | ``labels.json``: an object from file names to labels; images in ``images/`` or beside it |
    | ``iam``    | IAM's ``lines.txt``; images in ``lines/`` beside it                                      |

    Boxes are not known: ``boxes`` has no columns.

    Args:
        path: The file, or the folder of an LMDB.
        format: One of the above; None goes by the path's name.
        images: The folder of the images, where it is another.
        validation_path: As ``path``, lines kept from training to be looked at meanwhile; None for none.
        test_path: As ``path``, lines kept from both, to evaluate on at last; None for none. Of these two, lines with
            other characters than ``charset`` are skipped.
        height: Rows of the images, in pixels; they are resized, their aspect kept.
        max_width: Widest image, in pixels at that height; wider ones are skipped.
        charset: Characters that may occur. None takes those of the labels.
        min_length: Fewest characters in training; None for the shortest label.
        max_length: Most characters in training; None for the longest label. Longer lines stay in the data and
            can be drawn for evaluation.
        evaluation_lengths: Characters at which generalisation is measured; None for the median, the ninth decile
            and the longest of the labels.

    Raises:
        ValueError: If the path is not there or not of the format, an argument is out of range, or no label is left.
    """

    def __init__(
        self,
        path: str,
        *,
        format: Literal["lmdb", "gt", "labels", "iam"] | None = None,
        images: str | None = None,
        validation_path: str | None = None,
        test_path: str | None = None,
        height: int = 32,
        max_width: int = 2048,
        charset: str | None = None,
        min_length: int | None = None,
        max_length: int | None = None,
        evaluation_lengths: tuple[int, ...] | None = None,
    ) -> None:
        self._given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        check_at_least("height", height, 8)
        check_at_least("max_width", max_width, 1)
        source = existing_file(path)
        for other in (validation_path, test_path):
            if other is not None:
                existing_file(other)
        format = format or guess_text_format(source)  # type: ignore[assignment]
        if format not in TEXT_FORMATS:
            raise ValueError(f"format is {format!r}; give one of {', '.join(map(repr, TEXT_FORMATS))}, or None")
        self._others: dict[str, TextLineFiles] = {}
        self._skipped = SkippedItems(str(source))
        lines = TEXT_FORMATS[format](source, None if images is None else existing_file(images), self._skipped)
        self.path, self.format, self.height, self.max_width = str(source), format, height, max_width
        self.loading = self.loader(self._given)
        self._source = lines.images
        self.charset = "".join(sorted(set("".join(label for _, label in lines.labels)))) if charset is None else charset
        kept = [(key, label) for key, label in lines.labels if self._knows(key, label)]
        self._labels = [label for _, label in kept]
        self._set_items(
            [key for key, _ in kept],
            [len(label) for label in self._labels],
            min_length=min_length,
            max_length=max_length,
            evaluation_lengths=evaluation_lengths,
        )

    @classmethod
    def loader(cls, settings: Mapping[str, Any]) -> LineLoader:
        """What ``load_images`` is of a task with these settings, made without its files, which may be elsewhere."""
        known = with_defaults(cls, settings)
        return LineLoader(known["height"], known["max_width"])

    def splits(self) -> Splits:
        """The lines of ``validation_path`` and of ``test_path``; the task itself where there is none."""
        validation, test = (self._of(self._given[name]) for name in ("validation_path", "test_path"))
        unseen = {} if test is None else {"unseen lines": test}
        return Splits(self if validation is None else validation, self if test is None else test, unseen)

    def _of(self, path: str | None) -> "TextLineFiles | None":
        if path is None:
            return None
        if path not in self._others:  # read once, as the lists may be long
            whole = {"validation_path": None, "test_path": None, "min_length": None, "max_length": None}
            self._others[path] = TextLineFiles(**{**self._given, **whole, "path": path, "charset": self.charset})
        return self._others[path]

    def _knows(self, key: str, label: str) -> bool:
        outside = "".join(sorted(set(label) - set(self.charset)))
        if outside:
            self._skipped.add(key, "label holds a character outside the charset", f"charset lacks {outside!r}")
        return not outside

    def _decode(self, position: int) -> npt.NDArray[np.uint8]:
        return check_ink(grey_line(self._source.read(self._keys[position]), self.height, self.max_width))

    def _batch(self, positions: list[int], images: list[npt.NDArray[np.uint8]]) -> TextLineBatch:
        padded, widths = pad_lines(images)
        return TextLineBatch(
            images=padded,
            widths=widths,
            texts=tuple(self._labels[position] for position in positions),
            boxes=torch.zeros(len(images), 0, 2),
        )
