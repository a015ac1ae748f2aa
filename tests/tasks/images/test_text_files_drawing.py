"""Batches drawn from sets of text lines: order, lengths, shares, and what is held out."""

import warnings

import pytest
import torch

from image_files import gt, png
from memnets_tasks import TextLineFiles


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestDrawing:
    @pytest.fixture
    def task(self, tmp_path):
        labels = ["aa", "bb", "cc", "dd", "eeeee", "f"]
        lines = [(f"{n}.png", label) for n, label in enumerate(labels)]
        return TextLineFiles(str(gt(tmp_path, lines, **{str(n): png(shade=n) for n in range(6)})))

    def test_items_are_drawn_as_often_as_each_other(self, task):
        lengths = task.sample_lengths(3000, seeded())
        assert lengths.dtype == torch.int64
        counts = torch.bincount(lengths, minlength=6).tolist()
        assert counts[3:5] == [0, 0]
        assert counts[2] == pytest.approx(2000, abs=120)
        assert counts[1] == pytest.approx(500, abs=90)
        texts = task.sample(800, 2, seeded()).texts
        assert all(texts.count(label) == pytest.approx(200, abs=50) for label in ("aa", "bb", "cc", "dd"))

    def test_a_function_of_the_generator_alone(self, task):
        first = task.sample(5, torch.tensor([2, 1, 5, 2, 2]), seeded(2))
        assert [len(text) for text in first.texts] == [2, 1, 5, 2, 2]
        task.sample(9, 2, seeded(7))
        again = task.sample(5, torch.tensor([2, 1, 5, 2, 2]), seeded(2))
        assert first.texts == again.texts
        assert torch.equal(first.images, again.images)

    def test_lengths(self, task, tmp_path):
        assert (task.min_length, task.max_length, task.evaluation_lengths) == (1, 5, (2, 5))
        assert int(task.sample_lengths(99, seeded(), max_length=2).max()) == 2
        short = TextLineFiles(task.path, max_length=2)
        assert int(short.sample_lengths(99, seeded()).max()) == 2
        near = TextLineFiles(task.path, min_length=2, max_length=9)
        assert (near.min_length, near.max_length) == (2, 5), "what is there: a picture is drawn of the longest"
        assert short.sample(1, 5, seeded()).texts == ("eeeee",), "longer lines can still be evaluated"
        with pytest.raises(ValueError, match=r"no item of 3 characters; the nearest lengths there are: 1, 2, 5"):
            task.sample(1, 3, seeded())
        with pytest.raises(ValueError, match=r"no item of 3 to 4 characters; the nearest lengths"):
            TextLineFiles(task.path, min_length=3, max_length=4)
        with pytest.raises(ValueError, match="max_length is 1, below min_length 2"):
            TextLineFiles(task.path, min_length=2, max_length=1)

    def test_a_bad_image_is_replaced_by_rule_reported_and_counted(self, task, tmp_path):
        (tmp_path / "1.png").write_bytes(png()[:40])
        with pytest.warns(UserWarning, match=r"1.png skipped: image cannot be decoded"):
            texts = task.sample(400, 2, seeded()).texts
        assert set(texts) == {"aa", "cc", "dd"}
        assert texts.count("cc") == pytest.approx(200, abs=45), "the next of its length stands in"
        assert task.skipped == {"image cannot be decoded": 1}
        assert len(task) == 5
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert task.sample(400, 2, seeded()).texts == texts, "reported once; drawn the same for ever"
        with pytest.warns(UserWarning, match="1.png skipped"):
            assert TextLineFiles(task.path).sample(400, 2, seeded()).texts == texts, "and by a task that never drew"

    def test_no_image_of_a_length_is_left(self, task, tmp_path):
        (tmp_path / "4.png").unlink()
        with (
            pytest.warns(UserWarning, match="4.png skipped"),
            pytest.raises(ValueError, match=r"none of the 1 images of 5 characters .* \{'image is not there': 1\}"),
        ):
            task.sample(1, 5, seeded())
        assert task.evaluation_lengths == (2,)

    def test_training_goes_on_without_a_length_that_has_no_image_left(self, task, tmp_path):
        """Else the one damaged line of its length would end a run, whenever it is first drawn."""
        (tmp_path / "4.png").unlink()
        lengths = torch.tensor([5, 2, 5, 1])
        with pytest.warns(UserWarning, match="4.png skipped"):
            texts = task.sample(4, lengths, seeded()).texts
        assert [len(text) for text in texts] == [2, 2, 2, 1], "one of the nearest length stands in"
        for path in tmp_path.glob("*.png"):
            path.unlink()
        with (
            pytest.warns(UserWarning, match="skipped"),
            pytest.raises(ValueError, match=r"none of the images in .* can be used; skipped"),
        ):
            task.sample(1, lengths[:1], seeded())

    def test_looking_at_all_images_first(self, task, tmp_path):
        (tmp_path / "0.png").unlink()
        (tmp_path / "2.png").write_bytes(b"")
        (tmp_path / "3.png").write_bytes(png(9000, 10))
        with pytest.warns(UserWarning, match="skipped"):
            skipped = task.check_images()
        assert skipped == {"image is not there": 1, "empty image file": 1, "image wider than max_width, 2048 pixels": 1}
        assert skipped == task.skipped
        assert task.skipped_keys["image is not there"] == ["0.png"]
        assert [batch.texts for batch in task.batches(2)] == [("bb", "eeeee"), ("f",)]


class TestHeldOut:
    """Else validation, "solved" and the table at the end are of lines that were trained on."""

    @pytest.fixture
    def path(self, tmp_path):
        lines = [(f"{n % 60}.png", "a" * (1 + n % 3)) for n in range(80)]  # of twenty images two lines
        return str(gt(tmp_path, lines, **{str(n): png(shade=n) for n in range(60)}))

    def test_a_tenth_each_by_image(self, path):
        task = TextLineFiles(path)
        validation, test, unseen = task.splits()
        assert unseen == {"unseen lines": test}
        assert [part.split for part in (task, validation, test)] == ["train", "validation", "test"]
        keys = [set(part._keys) for part in (task, validation, test)]
        assert keys[0] | keys[1] | keys[2] == {f"{n}.png" for n in range(60)}
        assert sum(map(len, keys)) == 60, "no image is in two of them"
        assert len(task) + len(validation) + len(test) == len(TextLineFiles(path, split="all")) == 80
        assert all(2 <= len(part) <= 16 for part in keys[1:])
        assert TextLineFiles(path, split="test")._keys == test._keys
        assert TextLineFiles(path, split_seed=1).splits().test._keys != test._keys
        assert sum(test.distinct(length) for length in (1, 2, 3)) == len(test)

    def test_where_a_path_is_given_nothing_is_held_out_for_it(self, path, tmp_path):
        other = tmp_path / "other.txt"
        other.write_text("0.png\taaaa\n")
        task = TextLineFiles(path, test_path=str(other))
        assert len(task.splits().test) == 1
        assert len(task) + len(task.splits().validation) == 80

    def test_few_lines_and_a_share_of_none_are_all_trained_on(self, path):
        task = TextLineFiles(path, held_out=0.0)
        assert len(task) == 80
        assert task.splits() == (task, task, {})
        with pytest.raises(ValueError, match=r"held_out is 0\.5; give a share from 0 to 0\.4"):
            TextLineFiles(path, held_out=0.5)

    def test_lengths_to_evaluate_on_are_those_that_are_held_out(self, path):
        task = TextLineFiles(path, evaluation_lengths=(2, 3))
        assert set(task.splits().test.evaluation_lengths) <= {2, 3}
