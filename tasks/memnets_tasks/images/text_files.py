"""Lines of text from files: LMDB, gt.txt, labels.json, labels.csv, IAM."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt
import torch

from memnets_tasks._checks import check_at_least
from memnets_tasks.base import Splits
from memnets_tasks.images.base import TextTask
from memnets_tasks.images.batches import TextLineBatch
from memnets_tasks.images.checks import check_not_negative, check_split, numpy_generator
from memnets_tasks.images.file_task import FileTask
from memnets_tasks.images.folders import existing_file
from memnets_tasks.images.line_augmentation import augment_line
from memnets_tasks.images.loading import LineLoader, pad_lines, with_defaults
from memnets_tasks.images.parts import parts_of
from memnets_tasks.images.skipped_items import SkippedItems
from memnets_tasks.images.text_formats import read_lines

Split = Literal["train", "validation", "test", "all"]
SPLITS = ("train", "validation", "test", "all")


@final
class TextLineFiles(FileTask, TextTask):
    """Read lines of text from a data set on disk.

    Labels are read at once, images when they are drawn. Labels are kept in Unicode normal form C and otherwise as
    they are, spaces and case included. Whatever cannot be used is skipped, reported with its key, and counted in
    ``skipped``; ``check_images()`` looks at all images beforehand. For a test set give the training set's charset:
    its lines with other characters are then counted as skipped, since no model trained there could read them.

    Of a set of 30 lines or more a part is held out from training for validation, and as many for the test, wherever no
    path is given for these: see ``held_out``.

    | format     | path                                                                                     |
    |------------|------------------------------------------------------------------------------------------|
    | ``lmdb``   | a folder with ``data.mdb``: ``image-%09d``, ``label-%09d`` from 1 on, ``num-samples``    |
    | ``gt``     | ``gt.txt``: path of an image, tab (or comma, semicolon, blank), label                    |
    | ``labels`` | ``labels.json``: an object from file names to labels; images in ``images/`` or beside it |
    | ``csv``    | ``labels.csv``: a column of file names and one of labels; images as with ``labels``      |
    | ``iam``    | IAM's ``lines.txt``; images in ``lines/`` beside it                                      |
    | ``iam-words`` | IAM's ``words.txt``; images in ``words/`` beside it                                   |

    Boxes are not known: ``boxes`` has no columns.

    Args:
        path: The file, or the folder of an LMDB; a list of them for several sets as one.
        format: One of the above; None goes by the path's name.
        images: The folder of the images, where it is another.
        validation_path: As ``path``, lines kept from training to be looked at meanwhile; None for none.
        test_path: As ``path``, lines kept from both, to evaluate on at last; None for none. Of these two, lines with
            other characters than ``charset`` are skipped.
        held_out: Share of the lines of ``path`` that are kept from training for validation, and as many again for the
            test, each where there is no path for it; by image, so that lines of one image stay together. 0 for none.
        split: "train" has the lines to train on, "validation" and "test" those held out, "all" every line.
        split_seed: Other numbers hold out other lines.
        augment: Strength with which lines are slanted, stretched, blurred, and their strokes changed each time they are
            drawn to be trained on; 1 is about what ``TextLines`` does.
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

    path_arguments = ("path", "images", "validation_path", "test_path")

    def __init__(
        self,
        path: str | list[str],
        *,
        format: Literal["lmdb", "gt", "labels", "csv", "iam", "iam-words"] | None = None,
        images: str | None = None,
        validation_path: str | None = None,
        test_path: str | None = None,
        held_out: float = 0.1,
        split: Split = "train",
        split_seed: int = 0,
        augment: float = 0.0,
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
        check_at_least("split_seed", split_seed, 0)
        check_split(split, SPLITS)
        check_not_negative("augment", augment)
        if not 0 <= held_out <= 0.4:
            raise ValueError(f"held_out is {held_out}; give a share from 0 to 0.4")
        sources = [existing_file(each) for each in ([path] if isinstance(path, str) else path)]
        if not sources:
            raise ValueError("path is empty; give the file or folder of the data set, or several")
        for other in (validation_path, test_path):
            if other is not None:
                existing_file(other)
        self._others: dict[str, TextLineFiles] = {}
        self._skipped = SkippedItems(", ".join(map(str, sources)))
        folder = None if images is None else existing_file(images)
        self.format, lines = read_lines(sources, format, folder, self._skipped)
        self.path = str(sources[0]) if isinstance(path, str) else [str(source) for source in sources]
        self.height, self.max_width, self.augment = height, max_width, augment
        self.loading = self.loader(self._given)
        self._source = lines.images
        self.charset = "".join(sorted(set("".join(label for _, label in lines.labels)))) if charset is None else charset
        known = [(key, label) for key, label in lines.labels if self._knows(key, label)]
        wanted = [part for part in ("validation", "test") if self._given[f"{part}_path"] is None and held_out]
        self._parts = parts_of([key for key, _ in known], wanted, held_out, split_seed)
        kept = [line for line in known if split in ("all", self._parts.get(line[0], "train"))]
        self.split = split
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
        """Those of ``validation_path`` and of ``test_path``, or those held out; the task itself where none are."""
        validation, test = (self._of(part) for part in ("validation", "test"))
        unseen = {} if test is None else {"unseen lines": test}
        return Splits(self if validation is None else validation, self if test is None else test, unseen)

    def _of(self, part: Split) -> "TextLineFiles | None":
        path = self._given[f"{part}_path"]
        if self.split != "train" or (path is None and part not in self._parts.values()):
            return None
        if part not in self._others:  # read once, as the lists may be long
            whole = {"validation_path": None, "test_path": None, "min_length": None, "max_length": None}
            if path is None:
                whole = {"split": part, "evaluation_lengths": None, "min_length": None, "max_length": None}
            place = {"path": self.path} if path is None else {"path": path, "split": "all"}
            other = TextLineFiles(**{**self._given, **whole, **place, "charset": self.charset})
            other.split = part
            if path is None:
                other._take_evaluation_lengths(self._given["evaluation_lengths"])
            self._others[part] = other
        return self._others[part]

    def _take_evaluation_lengths(self, wanted: tuple[int, ...] | None) -> None:
        """Of the lengths asked for those that there are, if any."""
        there = tuple(length for length in wanted or () if length in self._distinct)
        self.evaluation_lengths = there or self.evaluation_lengths

    def labelled(self, loading: LineLoader | None = None) -> Iterator[tuple[str, str, npt.NDArray[np.uint8]]]:
        """Key, label and image ``(height, w)`` of each line that can be read, in order.

        Args:
            loading: Makes the images as another task's are; None as this one's.
        """
        self.loading = loading or self.loading
        for position, (key, label) in enumerate(zip(self._keys, self._labels)):
            image = self._image(position)
            if image is not None:
                yield key, label, image

    def _knows(self, key: str, label: str) -> bool:
        outside = "".join(sorted(set(label) - set(self.charset)))
        if outside:
            self._skipped.add(key, "label holds a character outside the charset", f"charset lacks {outside!r}")
        return not outside

    def _decode(self, position: int) -> npt.NDArray[np.uint8]:
        assert self.loading is not None
        return self.loading.line(self._source.read(self._keys[position]))

    def _varied(self, images: list[npt.NDArray[np.uint8]], generator: torch.Generator) -> list[npt.NDArray[np.uint8]]:
        if not self.augment or self.split not in ("train", "all"):
            return images
        random = numpy_generator(generator)
        return [augment_line(image, self.augment, random) for image in images]

    def _batch(self, positions: list[int], images: list[npt.NDArray[np.uint8]]) -> TextLineBatch:
        padded, widths = pad_lines(images)
        return TextLineBatch(
            images=padded,
            widths=widths,
            texts=tuple(self._labels[position] for position in positions),
            boxes=torch.zeros(len(images), 0, 2),
        )
