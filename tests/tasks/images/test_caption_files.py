"""Data sets of captions: the formats written and read back, vocabularies, and what is skipped."""

import importlib.util
import io
import json
import pickle
import re
import shutil
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image

from memnets_tasks import CaptionFiles, Scenes
from memnets_tasks.images import caption_files, write_captions
from memnets_tasks.images.caption_words import words_of

FORMATS = ["karpathy", "coco", "flickr8k"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def drawn():
    scenes = Scenes(size=48)
    return {
        "train": [scenes.sample(4, 1, seeded()), scenes.sample(2, 2, seeded(1))],
        "test": [scenes.sample(3, 2, seeded(2))],
    }


def picture(path, size=(12, 8), colour=(255, 0, 0)):
    Image.new("RGB", size, colour).save(path)


def karpathy(folder, images: list[tuple[str, str, list[str]]], **more):
    path = folder / "dataset_tiny.json"
    rows = [
        {"filename": name, "split": split, "sentences": [{"raw": caption, "tokens": []} for caption in captions]}
        for name, split, captions in images
    ]
    path.write_text(json.dumps({"images": [*rows, *more.get("extra", [])]}))
    return str(path)


def checked(path: str) -> CaptionFiles:
    """A task that has looked at all its pictures."""
    task = CaptionFiles(path, min_word_count=1)
    task.check_images()
    return task


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_is_read(drawn, format, tmp_path):
    paths = write_captions(tmp_path / "set", drawn, format)
    training = {"training_path": str(paths["train"])} if format == "coco" else {}
    for split, batches in drawn.items():
        more = training if split == "test" else {}
        task = CaptionFiles(str(paths[split]), split=split, size=48, min_word_count=1, **more)  # type: ignore[arg-type]
        assert task.format == format
        assert task.skipped == {}
        (batch,) = task.batches(99)
        assert batch.captions == tuple(captions for given in batches for captions in given.captions)
        expected = torch.cat([given.images for given in batches])
        torch.testing.assert_close(batch.images, expected, atol=0.5 / 255 + 1e-6, rtol=0)
        assert batch.boxes == ({},) * len(batch.captions)
        said = {word for given in drawn["train"] for captions in given.captions for c in captions for word in c.split()}
        assert set(task.vocabulary) == said, "counted over the training captions, whatever the split"


def test_the_vocabulary_is_counted_over_training_captions_alone(tmp_path):
    """Public code counts over all splits, and so knows the words of its test set."""
    images = [
        ("a.png", "train", ["A cat sat."]),
        ("b.png", "restval", ["a dog sat"]),
        ("c.png", "test", ["a zebra ran"] * 9),
    ]
    for name, _, _ in images:
        picture(tmp_path / name)
    path = karpathy(tmp_path, images)
    for split in ("train", "test"):
        assert CaptionFiles(path, split=split, min_word_count=1).vocabulary == ("a", "sat", "cat", "dog")  # type: ignore[arg-type]
    assert CaptionFiles(path, min_word_count=2).vocabulary == ("a", "sat")
    assert len(CaptionFiles(path, min_word_count=2)) == 2, "restval is for training"
    (test,) = CaptionFiles(path, split="test", min_word_count=1).batches(9)
    assert test.captions == (("a zebra ran",) * 9,)
    with pytest.raises(ValueError, match=r"no word occurs 5 times in the training captions \(4 different words\)"):
        CaptionFiles(path)
    with pytest.raises(ValueError, match="has no item that can be used"):
        CaptionFiles(path, split="val", min_word_count=1)


def test_coco_needs_the_training_file(drawn, tmp_path):
    paths = write_captions(tmp_path / "set", drawn, "coco")
    with pytest.raises(ValueError, match="split is 'test' and training_path is None; give the training set's"):
        CaptionFiles(str(paths["test"]), split="test")
    others = write_captions(tmp_path / "others", drawn, "karpathy")
    with pytest.raises(ValueError, match="but a karpathy file names its splits; leave it out"):
        CaptionFiles(str(others["test"]), split="test", training_path=str(paths["train"]))


def test_coco_is_validated_and_evaluated_on_the_files_named(drawn, tmp_path):
    """As the data set comes: lists in one folder, and beside it a folder of pictures for each of them."""
    paths = {}
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val", "test"):
        made = write_captions(
            tmp_path / f"{split}2017", {split: drawn["train" if split == "train" else "test"]}, "coco"
        )
        paths[split] = str(made[split].rename(tmp_path / "annotations" / f"captions_{split}2017.json"))
    others = {"validation_path": paths["val"], "test_path": paths["test"]}
    task = CaptionFiles(paths["train"], images=str(tmp_path), min_word_count=1, size=48, **others)
    assert task.check_images() == {}
    splits = task.splits()
    for other, split in ((splits.validation, "val"), (splits.test, "test")):
        assert (other.path, other.split, other.vocabulary, other.size) == (paths[split], split, task.vocabulary, 48)
        assert other.check_images() == {}
        assert len(other) == sum(len(batch.captions) for batch in drawn["test"])
        assert other.splits() == (other, other, {})
    assert list(splits.unseen) == ["unseen pictures"]
    with pytest.raises(ValueError, match=r"none.json', which is not there"):
        CaptionFiles(paths["train"], images=str(tmp_path), min_word_count=1, test_path=str(tmp_path / "none.json"))
    karpathy_file = str(write_captions(tmp_path / "k", drawn, "karpathy")["train"])
    with pytest.raises(ValueError, match=r"validation_path is .* but a karpathy file names its splits; leave it out"):
        CaptionFiles(karpathy_file, validation_path=paths["val"])


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man's dog -- isn't it? -- runs.", ["a", "man's", "dog", "isn't", "it", "runs"]),
        ("isn\u2019t it", ["isn't", "it"]),
        ("T-shirt, 2 dogs!", ["t-shirt", "2", "dogs"]),
        ("  Ein gro\u00dfer Hund, e\u0301te\u0301 ", ["ein", "gro\u00dfer", "hund", "\u00e9t\u00e9"]),
        ("हिन्दी में, कुत्ता", ["हिन्दी", "में", "कुत्ता"]),
        ("ภาษาไทย ที่นี่", ["ภาษาไทย", "ที่นี่"]),
        ("می\u200cخواهم سَلام", ["می\u200cخواهم", "سَلام"]),  # noqa: RUF001
        ("İX x\u0304y", ["i\u0307x", "x\u0304y"]),
        ("注意力 机制。", ["注意力", "机制"]),
        ("a ❤\ufe0f heart", ["a", "heart"]),
        ("...", []),
    ],
)
def test_words(caption, words):
    assert words_of(caption) == words


CONTRACTIONS = [("a.png", "train", ["A man's dog isn\u2019t it?", "..."]), ("a.png", "test", ["It isn't\u2028a dog."])]


def test_the_words_of_the_common_evaluation_are_asked_of_its_own_tokeniser(tmp_path, monkeypatch):
    """Of all captions at once, as each call starts Java; a stand-in splits as it does."""
    asked = []

    class Tokeniser:
        def tokenize(self, given):
            asked.append(given)
            texts = {key: row["caption"].lower() for key, (row,) in given.items()}
            split = {key: re.sub(r"(n't|'s)\b", r" \1", re.sub(r"[.?]", "", text)) for key, text in texts.items()}
            return {key: [text.strip()] for key, text in split.items()}

    monkeypatch.setitem(sys.modules, "pycocoevalcap", types.ModuleType("pycocoevalcap"))
    monkeypatch.setitem(sys.modules, "pycocoevalcap.tokenizer", types.ModuleType("tokenizer"))
    module = types.ModuleType("ptbtokenizer")
    module.PTBTokenizer = Tokeniser
    monkeypatch.setitem(sys.modules, "pycocoevalcap.tokenizer.ptbtokenizer", module)
    picture(tmp_path / "a.png")
    with pytest.warns(UserWarning, match="a.png#1 skipped: caption without a word"):
        task = CaptionFiles(karpathy(tmp_path, CONTRACTIONS), min_word_count=1, tokenizer="official")
    assert set(task.vocabulary) == {"a", "man", "'s", "dog", "is", "n't", "it"}
    assert task.splits().test.sample(1, 5, seeded()).captions == (("it is n't a dog",),)
    (given,) = asked
    assert [row["caption"] for (row,) in given.values()] == ["A man's dog isn't it?", "...", "It isn't a dog."]


@pytest.mark.skipif(
    importlib.util.find_spec("pycocoevalcap") is None or shutil.which("java") is None, reason="no pycocoevalcap or Java"
)
@pytest.mark.filterwarnings("ignore:.*skipped")
def test_the_words_of_the_common_evaluation(tmp_path):
    picture(tmp_path / "a.png")
    task = CaptionFiles(karpathy(tmp_path, CONTRACTIONS), min_word_count=1, tokenizer="official")
    assert set(task.vocabulary) == {"a", "man", "'s", "dog", "is", "n't", "it"}
    assert task.splits().test.sample(1, 5, seeded()).captions == (("it is n't a dog",),)


def test_a_tokeniser_that_is_not_there_is_named(tmp_path, monkeypatch):
    picture(tmp_path / "a.png")
    path = karpathy(tmp_path, CONTRACTIONS)
    with pytest.raises(ValueError, match="tokenizer is 'moses'; give one of 'plain', 'official'"):
        CaptionFiles(path, tokenizer="moses")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pycocoevalcap.tokenizer.ptbtokenizer", None)
    with pytest.raises(ImportError, match="pip install pycocoevalcap"):
        CaptionFiles(path, tokenizer="official")


def test_what_is_skipped_is_counted(tmp_path):
    picture(tmp_path / "a.png")
    images = [
        ("a.png", "train", ["a cat", "!"]),
        ("b.png", "train", ["?"]),
        ("c.png", "dev", ["x"]),
        ("d.png", "train", ["a cat"]),
    ]
    path = karpathy(tmp_path, images, extra=[{"filename": "e.png"}, 7])
    with pytest.warns(UserWarning, match="skipped") as record:
        task = checked(path)
    (batch,) = task.batches(9)
    assert batch.captions == (("a cat",),)
    assert task.skipped == {
        "entry is not of the format": 2,
        "split is not one of train, val, test": 1,
        "caption without a word": 2,
        "image without a caption": 1,
        "image is not there": 1,
    }
    assert task.skipped_keys["caption without a word"] == ["a.png#1", "b.png#0"]
    assert len(record) == 7


def test_coco_by_hand(tmp_path):
    picture(tmp_path / "1.jpg")
    data = {
        "images": [{"id": 5, "file_name": "1.jpg"}, {"id": 6}],
        "annotations": [
            {"image_id": 5, "caption": "A dog."},
            {"image_id": 9, "caption": "b"},
            {"image_id": 5, "caption": "Dogs"},
        ],
    }
    (tmp_path / "captions_train2014.json").write_text(json.dumps(data))
    with pytest.warns(UserWarning, match="skipped"):
        task = CaptionFiles(str(tmp_path / "captions_train2014.json"), min_word_count=1)
    assert task.skipped == {"entry is not of the format": 1, "annotation is not of the format, or of no image": 1}
    assert next(task.batches(1)).captions == (("a dog", "dogs"),)
    assert task.length_unit == "words"
    assert (task.min_length, task.max_length) == (2, 2)


def test_cocos_own_layout(tmp_path):
    """``annotations`` stands beside ``train2017`` and ``val2017``."""
    for name in ("train2017", "val2017", "annotations"):
        (tmp_path / name).mkdir()
    paths = {}
    for n, name in enumerate(("train2017", "val2017")):
        picture(tmp_path / name / "a.jpg")
        content = {"images": [{"id": n, "file_name": "a.jpg"}], "annotations": [{"image_id": n, "caption": "a cat"}]}
        paths[name] = tmp_path / "annotations" / f"captions_{name}.json"
        paths[name].write_text(json.dumps(content))
    task = CaptionFiles(str(paths["train2017"]), validation_path=str(paths["val2017"]), min_word_count=1)
    assert [len(list(part.batches(9))) for part in (task, task.splits().validation)] == [1, 1]


def test_a_list_of_all_splits_is_read_once(tmp_path, monkeypatch):
    images = [(f"{split}.png", split, ["a cat"]) for split in ("train", "val", "test")]
    for name, _, _ in images:
        picture(tmp_path / name)
    path, read = karpathy(tmp_path, images), []
    genuine = caption_files.CAPTION_FORMATS["karpathy"]
    monkeypatch.setitem(caption_files.CAPTION_FORMATS, "karpathy", lambda *a: read.append(a) or genuine(*a))
    task = CaptionFiles(path, min_word_count=1)
    validation, test, _ = task.splits()
    assert [part.split for part in (task, validation, test)] == ["train", "val", "test"]
    assert [len(part) for part in (task, validation, test)] == [1, 1, 1]
    assert [part._keys for part in (task, validation, test)] == [["train.png"], ["val.png"], ["test.png"]]
    assert len(read) == 1


def test_flickr8k_by_hand(tmp_path):
    """With the entry of the real file that names no image, and images in no split."""
    picture(tmp_path / "1.jpg")
    rows = ["1.jpg#0\tA dog .", "1.jpg#1\tTwo dogs .", "2.jpg.1#0\tA cat .", "not of the format", ""]
    (tmp_path / "Flickr8k.token.txt").write_text("\n".join(rows))
    path = str(tmp_path / "Flickr8k.token.txt")
    with pytest.raises(ValueError, match=r"Flickr_8k.trainImages.txt is not there; put the lists of the splits beside"):
        CaptionFiles(path)
    for name, images in (("train", "1.jpg\n"), ("dev", ""), ("test", "")):
        (tmp_path / f"Flickr_8k.{name}Images.txt").write_text(images)
    with pytest.warns(UserWarning, match="skipped"):
        task = CaptionFiles(path, min_word_count=1)
    assert task.skipped == {"line is not of the format": 1, "image is in no split": 1}
    assert task.skipped_keys["image is in no split"] == ["2.jpg.1"]
    assert next(task.batches(1)).captions == (("a dog", "two dogs"),)


def test_the_middle_square_is_shown(tmp_path):
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 255
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(file.getvalue())
    path = karpathy(tmp_path, [("a.png", "train", ["a b"])])
    task = CaptionFiles(path, images=str(tmp_path / "pictures"), size=10, min_word_count=1)
    assert task.sample(1, 2, seeded()).images.min() == 1


def test_drawing_and_pickling(drawn, tmp_path):
    task = CaptionFiles(str(write_captions(tmp_path / "set", drawn, "karpathy")["train"]), size=32, min_word_count=1)
    lengths = task.sample_lengths(500, seeded())
    assert set(lengths.tolist()) == {3, *(len(captions[0].split()) for captions in drawn["train"][1].captions)}
    batch = task.sample(5, lengths[:5], seeded(1))
    assert [len(captions[0].split()) for captions in batch.captions] == lengths[:5].tolist()
    again = pickle.loads(pickle.dumps(task)).sample(5, lengths[:5], seeded(1))
    assert again.captions == batch.captions
    assert torch.equal(again.images, batch.images)


def test_writing_errors(drawn, tmp_path):
    with pytest.raises(ValueError, match=r"batches has the splits \['dev'\]; give some of 'train', 'val', 'test'"):
        write_captions(tmp_path / "set", {"dev": []}, "coco")
    with pytest.raises(ValueError, match="format is 'csv'; give one of 'karpathy'"):
        write_captions(tmp_path / "set", drawn, "csv")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("{}", {}, "has no list 'images'; give a file of the format"),
        ("[", {}, "is no JSON file that can be read"),
        ("{}", {"split": "dev"}, "split is 'dev'; give one of 'train', 'val', 'test'"),
        ("{}", {"size": 1}, "size is 1; give a whole number of at least 8"),
        ("{}", {"min_word_count": 0}, "min_word_count is 0"),
        ("{}", {"format": "csv"}, "format is 'csv'; give one of 'karpathy'"),
    ],
)
def test_arguments(content, arguments, message, tmp_path):
    (tmp_path / "dataset_x.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        CaptionFiles(str(tmp_path / "dataset_x.json"), **arguments)


def test_a_name_that_tells_no_format(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match="whose format its name does not tell; give format= one of 'karpathy'"):
        CaptionFiles(str(tmp_path / "x.json"))
    with pytest.raises(ValueError, match=r"no.json', which is not there"):
        CaptionFiles(str(tmp_path / "no.json"))
