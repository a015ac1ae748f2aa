"""bAbI: the files as they are published, questions scored as in the paper, and bad lines named."""

import random
import re

import pytest
import torch

from memnets.testing import check_task
from memnets_tasks import BAbI
from memnets_tasks.questions import read_stories
from solver_cases import outputs_for, seeded

ONE = """1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary? \tbathroom\t1
4 Daniel went back to the hallway.
5 Where is Daniel? \thallway\t4
1 Sandra got the football there.
2 What is Sandra carrying?\tfootball\t1
"""

PLACES, NAMES, THINGS = ("bathroom", "hallway", "garden"), ("Mary", "John", "Sandra"), ("football", "milk", "apple")


def write_places(draw, stories):
    """Task 1: people go to places, one fact to know."""
    lines = []
    for _ in range(stories):
        where, number = {}, 0
        for _ in range(draw.randint(1, 5)):
            name, place = draw.choice(NAMES), draw.choice(PLACES)
            where[name] = place, number + 1
            asked = draw.choice([*where])
            lines.append(f"{number + 1} {name} went to the {place}.")
            lines.append(f"{number + 2} Where is {asked}? \t{where[asked][0]}\t{where[asked][1]}")
            number += 2
    return "\n".join(lines) + "\n"


def write_things(draw, stories):
    """Task 8: what someone carries, with answers of several words."""
    lines = []
    for _ in range(stories):
        things = draw.sample(THINGS, draw.randint(1, 3))
        lines += [f"{n} Mary got the {thing} there." for n, thing in enumerate(things, start=1)]
        facts = " ".join(str(n) for n in range(1, len(things) + 1))
        lines.append(f"{len(things) + 1} What is Mary carrying? \t{','.join(things)}\t{facts}")
    return "\n".join(lines) + "\n"


def write(folder, stories=(60, 20)):
    draw = random.Random(1)
    for part, count in zip(("train", "test"), stories):
        (folder / f"qa1_single-supporting-fact_{part}.txt").write_text(write_places(draw, count))
        (folder / f"qa8_lists-sets_{part}.txt").write_text(write_things(draw, count))
    (folder / "LICENSE.txt").write_text("not a task")
    return str(folder)


def test_a_file_as_it_is_published(tmp_path):
    path = tmp_path / "qa1_x_train.txt"
    path.write_text(ONE)
    first, second = read_stories(path, 1)
    assert " ".join(first.words) == (
        "mary moved to the bathroom . john went to the hallway . where is mary ? - "
        "daniel went back to the hallway . where is daniel ? -"
    )
    assert first.answers == {16: "bathroom", 28: "hallway"}
    assert second.answers == {11: "football"}
    assert (first.task, second.words[-2:]) == (1, ["?", "-"])


def solve(words):
    """The answers of both tasks, from the words of a story: a list a question."""
    where, carried, answers = {}, [], []
    sentences = re.findall(r"[^.?]+[.?](?: -)*", " ".join(words))
    for sentence in (s.split() for s in sentences):
        if "went" in sentence:
            where[sentence[0]] = sentence[-2]
        elif "got" in sentence:
            carried.append(sentence[3])
        elif sentence[0] == "where":
            answers.append([where[sentence[2]]])
        else:
            answers.append(carried)
    return [word for answer in answers for word in answer]


def test_answers_of_a_slow_solver(tmp_path):
    task = BAbI(write(tmp_path, (800, 300)))
    seen = 0
    for part in (task, *task.splits()[:2]):
        for batch in part.batches(64):
            for b, length in enumerate(batch.lengths.tolist()):
                words = [part.words[token] for token in batch.inputs[b, :length].tolist()]
                assert [t for t, word in enumerate(words) if word == "-"] == batch.mask[b].nonzero().flatten().tolist()
                assert [part.words[token] for token in batch.targets[b][batch.mask[b]].tolist()] == solve(words)
                seen += 1
    assert seen == 1600 + 600


def test_the_contract_single_and_joint(tmp_path):
    folder = write(tmp_path)
    for task in (BAbI(folder), BAbI(folder, tasks=[8])):
        check_task(task)
        assert [len(part) for part in (task, *task.splits()[:2])] == [
            n * len(task.tasks or (1, 8)) for n in (54, 6, 20)
        ]
    joint = BAbI(folder)
    assert set(joint.sample(200, joint.sample_lengths(200, seeded()), seeded()).tasks.tolist()) == {1, 8}
    assert joint.splits().test.words == joint.words
    assert set(BAbI(folder, tasks=[8]).words) < set(joint.words)


def test_every_story_is_as_likely(tmp_path):
    task = BAbI(write(tmp_path), tasks=[1])
    batch = task.sample(5400, task.sample_lengths(5400, seeded()), seeded(1))
    drawn = {}
    for row in batch.inputs.tolist():
        drawn[tuple(row)] = drawn.get(tuple(row), 0) + 1
    known = [
        tuple(row + [0] * (batch.inputs.shape[1] - len(row))) for b in task.batches(1) for row in b.inputs.tolist()
    ]
    for story in set(known):
        expected = 100 * known.count(story)
        assert abs(drawn[story] - expected) < 6 * expected**0.5


def test_a_question_is_wrong_with_any_of_its_words_and_a_task_failed_above_a_twentieth(tmp_path):
    task = BAbI(write(tmp_path)).splits().test
    batches = list(task.batches(16))
    pairs, wrong, asked, spoilt = [], {1: 0, 8: 0}, {1: 0, 8: 0}, 0
    for batch in batches:
        right = torch.ones_like(batch.mask)
        for b, number in enumerate(batch.tasks.tolist()):
            questions = int(batch.mask[b].sum()) if number == 1 else 1
            asked[number] += questions
            if number == 8 and spoilt < 2:
                right[b, batch.mask[b].nonzero()[-1]] = False
                wrong[8], spoilt = wrong[8] + 1, spoilt + 1
        if batch is batches[0]:
            right[0, batch.mask[0].nonzero()[0]] = False
            wrong[1] += 1
        pairs.append((outputs_for(batch, task.output_size, right), batch))
    scores = {name: float(value) for name, value in task.corpus_scores(pairs).items()}
    assert scores["error_qa1"] == pytest.approx(wrong[1] / asked[1])
    assert scores["error_qa8"] == pytest.approx(2 / 20)
    assert scores["mean_error"] == pytest.approx((scores["error_qa1"] + 0.1) / 2)
    assert scores["failed_tasks"] == 1
    assert scores["accuracy"] == pytest.approx(1 - 3 / (asked[1] + 20))
    errors = task.errors(*pairs[0])
    assert float(errors[0]) == pytest.approx(1 / int(pairs[0][1].mask[0].sum()))
    assert not errors[1:].any()


@pytest.mark.parametrize(
    ("line", "number", "message"),
    [
        ("Mary went.", 3, "begins with 'Mary'; give the number 1 or 3 and a space"),
        ("5 Mary went.", 3, "begins with '5'; give the number 1 or 3"),
        ("3", 3, "no words after its number"),
        ("3 \t", 3, "no words after its number"),
        ("3 Where is Mary? \t\t1", 3, "its answer is empty"),
        ("3 Where is Mary? \tapple,\t1", 3, "its answer is empty"),
        ("3 Where is Mary? \tapple\t7", 3, "supporting facts are '7'; give numbers of lines before it"),
        ("3 Where is Mary? \tapple\tone", 3, "supporting facts are 'one'"),
        ("3 Where is Mary? \tapple\t1\t2", 3, "supporting facts are '1 2'"),
    ],
)
def test_bad_lines_are_named_with_file_and_line(tmp_path, line, number, message):
    path = tmp_path / "qa1_x_train.txt"
    lines = ONE.splitlines()
    lines[number - 1] = line
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"qa1_x_train.txt:{number}: .*{re.escape(message)}"):
        read_stories(path, 1)


def test_all_bad_lines_are_counted(tmp_path):
    path = tmp_path / "qa1_x_train.txt"
    path.write_text("1 Mary went.\n2 \n3 \n4 \n5 \n6 Where is Mary? \thome\t1\n")
    with pytest.raises(ValueError, match=r":2: .*:3: .*:4: .*; and 1 more bad lines"):
        read_stories(path, 1)
    path.write_text("1 Mary went.\n")
    with pytest.raises(ValueError, match="no line asks a question"):
        read_stories(path, 1)
    path.write_bytes(b"1 Mary \xff\n")
    with pytest.raises(ValueError, match=r"cannot be read .* in UTF-8"):
        read_stories(path, 1)


def test_folders_and_tasks_that_are_not_there(tmp_path):
    with pytest.raises(
        ValueError, match=r"has no file qa<number>_<name>_train\.txt; give a folder such as en or en-10k"
    ):
        BAbI(str(tmp_path))
    with pytest.raises(ValueError, match="which is no folder"):
        BAbI(str(tmp_path / "nothing"))
    folder = write(tmp_path)
    with pytest.raises(ValueError, match=r"tasks asks for \[3\], but .* has for training \[1, 8\]"):
        BAbI(folder, tasks=[1, 3])
    with pytest.raises(ValueError, match="split is 'dev'"):
        BAbI(folder, split="dev")
    (tmp_path / "qa1_again_train.txt").write_text(ONE)
    with pytest.raises(ValueError, match="both of task 1"):
        BAbI(folder, tasks=[1])


def test_a_story_for_people(tmp_path):
    (tmp_path / "qa1_x_train.txt").write_text(ONE)
    (tmp_path / "qa1_x_test.txt").write_text(ONE)
    task = BAbI(str(tmp_path))
    (batch,) = task.batches(2)
    assert task.text(batch, 1) == "given sandra got the football there . what is sandra carrying ? -; wanted football"
