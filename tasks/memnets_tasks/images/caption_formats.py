"""The lists of captions that data sets come with: Karpathy's splits, COCO's annotations, Flickr8k's tokens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from memnets_tasks.images.list_files import oversize, read_json, read_text
from memnets_tasks.images.skipped_items import SkippedItems

SPLITS = ("train", "val", "test")

FLICKR_LISTS = {"train": "train", "val": "dev", "test": "test"}
"""What the lists of Flickr8k call the splits."""


class Captioned(NamedTuple):
    """One image: its name below the folder of images, its captions as they are written, and its split.

    The split is None where the format leaves it to the name of the file.
    """

    key: str
    captions: list[str]
    split: str | None


def read_karpathy(path: Path, skipped: SkippedItems) -> list[Captioned]:
    """``dataset_*.json`` (Karpathy & Fei-Fei 2015): images with sentences and a split; "restval" is for training."""
    found = []
    for number, image in enumerate(_list_in(read_json(path), "images", path)):
        try:
            raw = [sentence["raw"] for sentence in image["sentences"]]
            key = "/".join(part for part in (image.get("filepath", ""), image["filename"]) if part)
            split = "train" if image["split"] == "restval" else image["split"]
            _check_strings(key, split, *raw)
        except (AttributeError, KeyError, TypeError):
            skipped.add(f"images[{number}]", "entry is not of the format")
            continue
        if split in SPLITS:
            found.append(Captioned(key, _of_size(raw, key, skipped), split))
        else:
            skipped.add(key, f"split is not one of {', '.join(SPLITS)}", f"split {split!r}")
    return found


def read_coco(path: Path, skipped: SkippedItems) -> list[Captioned]:
    """``captions_*.json`` (Chen et al. 2015): images, and annotations that point to them; a file for each split."""
    data = read_json(path)
    images: dict[Any, Captioned] = {}
    for number, image in enumerate(_list_in(data, "images", path)):
        try:
            _check_strings(image["file_name"])
            images[_checked_id(image["id"])] = Captioned(image["file_name"], [], None)
        except (KeyError, TypeError):
            skipped.add(f"images[{number}]", "entry is not of the format")
    for number, annotation in enumerate(_list_in(data, "annotations", path)):
        try:
            _check_strings(annotation["caption"])
            item = images[_checked_id(annotation["image_id"])]
            item.captions.extend(_of_size([annotation["caption"]], item.key, skipped))
        except (KeyError, TypeError):
            skipped.add(f"annotations[{number}]", "annotation is not of the format, or of no image")
    return list(images.values())


def read_flickr8k(path: Path, skipped: SkippedItems) -> list[Captioned]:
    """``Flickr8k.token.txt`` (Hodosh et al. 2013): on each line a file name, "#", a number, a tab and a caption.

    The splits are in ``Flickr_8k.trainImages.txt``, ``...devImages.txt`` and ``...testImages.txt`` beside it.
    """
    splits: dict[str, str] = {}
    for split, name in FLICKR_LISTS.items():
        listed = path.parent / f"Flickr_8k.{name}Images.txt"
        if not listed.is_file():
            raise ValueError(f"{listed} is not there; put the lists of the splits beside {path.name}")
        splits |= {image.strip(): split for image in read_text(listed).split("\n") if image.strip()}
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        name, tab, caption = line.rstrip("\r").partition("\t")
        image, mark, _ = name.rpartition("#")
        if tab and mark:
            captions.setdefault(image, []).extend(_of_size([caption], image, skipped))
        elif line.strip():
            skipped.add(f"line {number}", "line is not of the format")
    for image in sorted(captions.keys() - splits.keys()):
        skipped.add(image, "image is in no split")
    return [Captioned(image, said, splits[image]) for image, said in captions.items() if image in splits]


CAPTION_FORMATS: dict[str, Callable[[Path, SkippedItems], list[Captioned]]] = {
    "karpathy": read_karpathy,
    "coco": read_coco,
    "flickr8k": read_flickr8k,
}


def guess_caption_format(path: Path) -> str:
    """The format of a file, by its name.

    Raises:
        ValueError: If the name says nothing.
    """
    if path.suffix == ".json" and path.name.startswith("dataset"):
        return "karpathy"
    if path.suffix == ".json" and path.name.startswith("captions"):
        return "coco"
    if path.suffix == ".txt" and path.is_file():
        return "flickr8k"
    raise ValueError(
        f"path is {str(path)!r}, whose format its name does not tell; give format= one of "
        f"{', '.join(map(repr, CAPTION_FORMATS))}"
    )


def _check_strings(*values: Any) -> None:
    if not all(isinstance(value, str) for value in values):
        raise TypeError


def _checked_id(value: Any) -> int | str:
    """An image's number; TypeError for what is none, and for numbers so large that many may have one hash."""
    if isinstance(value, str) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    raise TypeError


def _of_size(captions: list[str], key: str, skipped: SkippedItems) -> list[str]:
    """Those captions that are no longer than a text can be."""
    kept = []
    for caption in captions:
        if problem := oversize(caption):
            skipped.add(key, f"caption {problem}")
        else:
            kept.append(caption)
    return kept


def _list_in(data: Any, name: str, path: Path) -> list[Any]:
    if not isinstance(data, dict) or not isinstance(data.get(name), list):
        raise ValueError(f"{path} has no list {name!r}; give a file of the format, or another format=")
    return data[name]
