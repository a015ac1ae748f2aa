"""Pictures with captions from files: Karpathy's splits, COCO, Flickr8k."""

import copy
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt

from memnets_tasks._checks import check_at_least
from memnets_tasks.base import Splits
from memnets_tasks.images.base import SceneTask
from memnets_tasks.images.batches import SceneBatch
from memnets_tasks.images.caption_formats import CAPTION_FORMATS, SPLITS, Captioned, guess_caption_format
from memnets_tasks.images.caption_words import TOKENIZERS
from memnets_tasks.images.checks import check_split
from memnets_tasks.images.file_task import FileTask
from memnets_tasks.images.folders import ImageFolder, existing_file
from memnets_tasks.images.loading import PictureLoader, stack_pictures, with_defaults
from memnets_tasks.images.pictures import colour_square
from memnets_tasks.images.skipped_items import SkippedItems


@final
class CaptionFiles(FileTask, SceneTask):
    """Describe pictures of a data set on disk.

    Captions are read at once, pictures when they are drawn. Captions come as lower-case words, each parted by one
    space, without punctuation; "don't" is one word, whatever its apostrophe, or two as ``tokenizer`` says. The
    vocabulary is counted over the training captions alone, whatever the split; the captions of a test set may hold
    words outside it. What cannot be used is skipped, reported with its key, and counted in ``skipped``;
    ``check_images()`` looks at all pictures beforehand. The length of an item is the number of words of its first
    caption.

    | format       | path                   | splits                                            |
    |--------------|------------------------|---------------------------------------------------|
    | ``karpathy`` | ``dataset_*.json``     | in the file                                       |
    | ``coco``     | ``captions_*.json``    | a file each: see the three paths below            |
    | ``flickr8k`` | ``Flickr8k.token.txt`` | ``Flickr_8k.trainImages.txt`` and so on beside it |

    COCO's pictures lie in a folder for each file: for ``captions_val2017.json`` in ``val2017``, if ``images`` has that
    folder, or, as COCO is unpacked, if it lies beside the folder ``annotations`` of the file. No boxes are known: each
    image's are empty.

    Args:
        path: The file.
        format: One of the above; None goes by the path's name.
        images: The folder of the pictures; None for that of the file.
        split: "train", "val" or "test".
        training_path: With ``coco`` and another split than "train": the training set's file.
        validation_path: With ``coco`` and the split "train": the file of pictures to be looked at meanwhile.
        test_path: With ``coco`` and the split "train": the file of pictures to evaluate on at last.
        tokenizer: "plain", or "official": the words are those of the common evaluation of captions, by pycocoevalcap's
            tokeniser, which must be installed and needs Java.
        size: Rows and columns of the images, in pixels: the middle square, resized.
        min_word_count: How often a word must occur in the training captions to be in the vocabulary.
        min_length: Fewest words in training; None for the shortest.
        max_length: Most words in training; None for the longest.
        evaluation_lengths: Words at which to evaluate; None for the median, the ninth decile and the longest.

    Raises:
        ValueError: If the path is not there or not of the format, an argument is out of range, or no image is left.
    """

    length_unit = "words"
    path_arguments = ("path", "images", "training_path", "validation_path", "test_path")

    def __init__(
        self,
        path: str,
        *,
        format: Literal["karpathy", "coco", "flickr8k"] | None = None,
        images: str | None = None,
        split: Literal["train", "val", "test"] = "train",
        training_path: str | None = None,
        validation_path: str | None = None,
        test_path: str | None = None,
        tokenizer: Literal["plain", "official"] = "plain",
        size: int = 224,
        min_word_count: int = 5,
        min_length: int | None = None,
        max_length: int | None = None,
        evaluation_lengths: tuple[int, ...] | None = None,
    ) -> None:
        check_at_least("size", size, 8)
        check_at_least("min_word_count", min_word_count, 1)
        check_split(split, SPLITS)
        if tokenizer not in TOKENIZERS:
            raise ValueError(f"tokenizer is {tokenizer!r}; give one of {', '.join(map(repr, TOKENIZERS))}")
        self._given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        source = existing_file(path)
        chosen = format or guess_caption_format(source)
        if chosen not in CAPTION_FORMATS:
            raise ValueError(f"format is {format!r}; give one of {', '.join(map(repr, CAPTION_FORMATS))}, or None")
        _check_paths(chosen, training_path=training_path, validation_path=validation_path, test_path=test_path)
        self._skipped = SkippedItems(str(source))
        items = _read(source, chosen, tokenizer, self._skipped)
        training = _training_items(items, chosen, split, training_path, tokenizer)
        self._items = items if chosen != "coco" else []
        self.path, self.format, self.split, self.size = str(source), chosen, split, size
        self.vocabulary = _vocabulary(training, min_word_count)
        self._others: dict[str, CaptionFiles] = {}
        self._splits = {item.split for item in items}
        self._folder = _pictures(source, images, chosen)
        self._take(items, min_length, max_length, evaluation_lengths)

    def _take(
        self,
        items: Iterable[Captioned],
        min_length: int | None,
        max_length: int | None,
        evaluation_lengths: tuple[int, ...] | None,
    ) -> None:
        """Have those of the items that belong to the split."""
        self._captions: list[tuple[str, ...]] = []
        keys = []
        for item in items:
            if item.split in (None, self.split):
                captions = self._with_words(item)
                if captions:
                    keys.append(item.key)
                    self._captions.append(captions)
        self._set_items(
            keys,
            [len(captions[0].split()) for captions in self._captions],
            min_length=min_length,
            max_length=max_length,
            evaluation_lengths=evaluation_lengths,
        )

    @classmethod
    def loader(cls, settings: Mapping[str, Any]) -> PictureLoader:
        """What ``load_images`` is of a task with these settings, made without its files, which may be elsewhere."""
        return PictureLoader(with_defaults(cls, settings)["size"])

    def splits(self) -> Splits:
        """The pictures of the validation and the test split, where the same file, one beside it, or the argument
        ``validation_path`` or ``test_path`` says which those are; the task itself elsewhere."""
        validation, test = self._of("val"), self._of("test")
        unseen = {} if test is None else {"unseen pictures": test}
        return Splits(self if validation is None else validation, self if test is None else test, unseen)

    def _of(self, split: str) -> "CaptionFiles | None":
        file = self._given["validation_path" if split == "val" else "test_path"]
        if self.split != "train" or (split not in self._splits and file is None):
            return None
        if split not in self._others:  # read once, as the lists are long
            self._others[split] = self._other_split(split, None if file is None else existing_file(file))
        return self._others[split]

    def _other_split(self, split: Any, file: Path | None) -> "CaptionFiles":
        """Another split, of the same list or of a ``file``: that of training, as long as COCO's, is not read again."""
        other = copy.copy(self)
        other.path = self.path if file is None else str(file)
        other.split, other._others, other._skipped = split, {}, SkippedItems(other.path)
        items = self._items
        if file is not None:
            items = _read(file, "coco", self._given["tokenizer"], other._skipped)
            other._folder = _pictures(file, self._given["images"], "coco")
        other._take(items, None, None, self._given["evaluation_lengths"])
        return other

    def _with_words(self, item: Captioned) -> tuple[str, ...]:
        for number, caption in enumerate(item.captions):
            if not caption:
                self._skipped.add(f"{item.key}#{number}", "caption without a word")
        kept = tuple(caption for caption in item.captions if caption)
        if not kept:
            self._skipped.add(item.key, "image without a caption")
        return kept

    def _decode(self, position: int) -> npt.NDArray[np.uint8]:
        return colour_square(self._folder.read(self._keys[position]), self.size)

    def _batch(self, positions: list[int], images: list[npt.NDArray[np.uint8]]) -> SceneBatch:
        return SceneBatch(
            images=stack_pictures(images),
            captions=tuple(self._captions[position] for position in positions),
            boxes=tuple({} for _ in positions),
        )


def _read(source: Path, format: str, tokenizer: str, skipped: SkippedItems) -> list[Captioned]:
    """A list's items, their captions as words with a space between, empty where a caption has none."""
    items = CAPTION_FORMATS[format](source, skipped)
    words = iter(TOKENIZERS[tokenizer]([caption for item in items for caption in item.captions]))
    return [item._replace(captions=[" ".join(next(words)) for _ in item.captions]) for item in items]


def _pictures(source: Path, images: str | None, format: str) -> ImageFolder:
    """The folder of the pictures: of COCO's ``captions_val2017.json`` ``val2017``, in ``images``, beside the file, or
    beside its folder ``annotations``, as COCO is unpacked."""
    folder = source.parent if images is None else existing_file(images)
    own = source.stem.removeprefix("captions_")
    if format != "coco" or (folder / own).is_dir():
        return ImageFolder(folder, own if format == "coco" else "")
    beside = source.absolute().parent.parent / own
    if images is None and source.absolute().parent.name == "annotations" and beside.is_dir():
        return ImageFolder(beside)
    return ImageFolder(folder)


def _check_paths(format: str, **paths: str | None) -> None:
    """Raise ValueError unless the files named are there, and are of a format that has a file for each split."""
    for name, path in paths.items():
        if path is not None and format != "coco":
            raise ValueError(f"{name} is {path!r}, but a {format} file names its splits; leave it out")
        if path is not None:
            existing_file(path)


def _training_items(
    items: list[Captioned], format: str, split: str, training_path: str | None, tokenizer: str
) -> Iterable[Captioned]:
    """The items whose captions may be counted."""
    if format != "coco":
        return [item for item in items if item.split == "train"]
    if split == "train":
        return items
    if training_path is None:
        raise ValueError(
            f"split is {split!r} and training_path is None; give the training set's captions_*.json, as the "
            "vocabulary is counted there"
        )
    training = existing_file(training_path)
    return _read(training, "coco", tokenizer, SkippedItems(str(training)))


def _vocabulary(items: Iterable[Captioned], min_word_count: int) -> tuple[str, ...]:
    """Words by falling count, and by letter where counts agree."""
    counts = Counter(word for item in items for caption in item.captions for word in caption.split())
    kept = [word for word, count in counts.items() if count >= min_word_count]
    if not kept:
        raise ValueError(
            f"no word occurs {min_word_count} times in the training captions ({len(counts)} different words); "
            "give a lower min_word_count, or the right training captions"
        )
    return tuple(sorted(kept, key=lambda word: (-counts[word], word)))
