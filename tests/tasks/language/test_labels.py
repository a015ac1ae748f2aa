"""Sequences with a label, and with a tag a word: generated ones by an independent reading, files by what they hold."""

import re

import pytest
import torch

import memnets
from memnets.testing import check_task
from memnets_tasks import AgreementTagging, ConlluTagging, LabelledCSV, Names, Sentiment, generator
from memnets_tasks.language.sequences import Example


def drawn(task, length, count=200, seed=0):
    return task.sample(count, length, generator(seed, "test", 0))


def shown(task, batch):
    """Words and labels of each sequence, as people see them."""
    for b in range(len(batch)):
        given, wanted = re.fullmatch(r"given (.*); wanted (.*)", task.text(batch, b)).groups()
        yield given.split() if task.joint else list(given), wanted.split()


@pytest.mark.parametrize("task", [Sentiment(), AgreementTagging(), Names()], ids=lambda task: type(task).__name__)
def test_they_keep_the_contract(task):
    check_task(task)
    batch = drawn(task, task.max_length)
    assert (batch.inputs[batch.mask] > 1).all()  # none is unknown


def test_the_label_is_that_of_what_is_cared_about_with_every_negation():
    good, bad = {"good", "great", "moving", "clever", "lovely"}, {"bad", "dull", "weak", "awful", "clumsy"}
    task = Sentiment()
    labels, words_of_label = [], {"good": [], "bad": []}
    for words, (label,) in shown(task, drawn(task, 4, 400)):
        first, *others = " ".join(words).removesuffix(" .").split(" . ")
        aspect = first.split()[-1]
        (opinion,) = [sentence.split() for sentence in others if aspect in sentence.split()]
        assert len(others) == 4
        turned = sum(word in ("not", "never") for word in opinion) % 2
        is_good = any(word in good for word in opinion) != bool(turned)
        assert label == ("good" if is_good else "bad")
        labels.append(label)
        words_of_label[label].append(sum((w in good) - (w in bad) for w in words))
    assert 160 < labels.count("good") < 240
    means = [sum(counts) / len(counts) for counts in words_of_label.values()]
    assert abs(means[0] - means[1]) < 0.6
    one = task.encode([Example(tuple(words), (label,)) for words, (label,) in shown(task, drawn(task, 1, 2000))])
    opinion = [sum((task.symbols[n - 2] in good) for n in row if n > 1) for row in one.inputs.tolist()]
    agrees = sum(bool(o) == bool(t) for o, t in zip(opinion, (one.targets * one.mask).sum(1).tolist())) / 2000
    assert abs(agrees - 0.5) < 0.05  # the words of opinions alone tell nothing; with two of three as they stand 0.67


def test_verbs_have_the_number_of_their_subject():
    task = AgreementTagging()
    attracted = 0
    for words, tags in shown(task, drawn(task, 3)):
        subjects = []
        for n, (word, tag) in enumerate(zip(words, tags)):
            if tag.startswith("NOUN"):
                assert (tag == "NOUN-PL") == word.endswith("s")
                before = n - 1 if words[n - 1] == "the" else n - 2
                if before == 0 or tags[before - 1] == "THAT":
                    subjects.append(tag[-2:])
                attracted += tags[before - 1] == "PREP" and tag[-2:] != subjects[-1]
            elif tag.startswith("VERB"):
                assert tag[-2:] == subjects.pop()
        assert not subjects
        assert tags.count("THAT") == 3
    assert attracted > 100
    batch = drawn(task, 2)
    (verbs,) = task.slice_masks(batch).values()
    assert (verbs.sum(1) == 3).all()


def test_what_is_taken_for_the_label_is_drawn_after_each_symbol():
    task = AgreementTagging()
    batch = task.sample(1, 2, generator(0, "test", 0))
    logits = torch.randn(1, batch.mask.shape[1], task.output_size)
    axes = task.figures(batch, logits, None)["opinions"].axes[0]
    assert torch.allclose(torch.tensor(axes.images[0].get_array()), logits[0].softmax(-1).T)
    words = [label.get_text() for label in axes.get_xticklabels()]
    assert task.text(batch, 0).startswith(f"given {' '.join(words)};")
    rings = [(int(line.get_xdata()[0]), int(line.get_ydata()[0])) for line in axes.lines]
    assert rings == list(enumerate(batch.targets[0].tolist()))


def test_agreement_is_learnt():
    task = AgreementTagging(max_length=1, evaluation_lengths=(1,))
    torch.manual_seed(0)
    model = memnets.LSTM(16, 32, vocabulary=task.vocabulary, output_size=task.output_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(150):
        random = generator(0, "train", step)
        batch = task.sample(32, 1, random)
        optimizer.zero_grad()
        task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch).backward()
        optimizer.step()
    batch = drawn(task, 1, seed=1)
    scores = task.scores(model.predict(batch), batch)
    assert scores["accuracy_verbs"] > 0.95
    assert scores["accuracy"] > 0.98


def test_made_up_names_are_told_apart_by_more_than_their_letters():
    task = Names()
    validation, test, _ = task.splits()
    assert task.output_size == 6
    names = [{(e.symbols, e.labels) for e in part._parts[part.split]} for part in (task, validation, test)]
    assert names[0].isdisjoint(names[1] | names[2])
    assert min(map(len, names)) > 60


def write(folder, files):
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(folder)


def test_names_of_files(tmp_path):
    italian = "\n".join(f"Rossi{chr(97 + n)}" for n in range(26))
    files = {"Italian.txt": f"{italian}\n\nRossia\n", "Czech.txt": "Dvořák\n" * 3}
    task = Names(write(tmp_path, {**files, "Bad.txt": b"\xff", "readme.md": "no"}), min_count=1)
    assert task.labels == ("Czech", "Italian")
    assert task.skipped == {"there already": 3, "an empty line": 1, "a file is no UTF-8": 1}
    assert {len(task), len(task.splits().test)} == {25, 1}
    assert ("D", "v", "o", "ř", "á", "k") in [e.symbols for part in task._parts.values() for e in part]
    check_task(task)


def test_a_csv_file(tmp_path):
    rows = "\n".join(f'{n},"Fine, {"good" if n % 2 else "bad"} film",{n % 2}' for n in range(40))
    path = write(tmp_path, {"a.csv": f"id,text,label\n{rows}\n41,,1\n"}) + "/a.csv"
    task = LabelledCSV(path)
    assert (task.labels, task.skipped) == (("0", "1"), {"an empty text or label": 1})
    words, (label,) = next(shown(task, drawn(task, 4)))
    assert [words[0], words[1], words[3]] == ["fine", ",", "film"]
    assert label == ("1" if words[2] == "good" else "0")
    assert LabelledCSV(path, level="characters", max_symbols=5).max_length == 5
    with pytest.raises(ValueError, match="has no column 'tag', but id, text, label; name one"):
        LabelledCSV(path, label_column="tag")
    check_task(task)


CONLLU = """# text = Don't go
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t0\t_\t_\t_
2\tn't\tnot\tPART\tRB\t_\t0\t_\t_\t_
2.1\tyou\tyou\tPRON\t_\t_\t0\t_\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\t_\t_\t_

"""


def test_conllu_files(tmp_path):
    bad = "1\tno tabs\n\n" + "1\tx\tx\t_\t_\t_\t0\t_\t_\t_\n\n"
    write(tmp_path, {"a.conllu": CONLLU * 20 + bad, "b.conllu": CONLLU, "c.conllu": CONLLU.replace("go\t", "stay\t")})
    task = ConlluTagging(str(tmp_path / "a.conllu"))
    assert task.skipped == {"a line without ten columns": 1, "a word without upos": 1}
    assert (len(task), len(task.splits().validation)) == (18, 1)
    assert next(shown(task, drawn(task, 3))) == (["do", "n't", "go"], ["AUX", "PART", "VERB"])
    files = [str(tmp_path / f"{name}.conllu") for name in "abc"]
    parted = ConlluTagging(*files, tag="xpos")
    assert parted.labels == ("RB", "VB")
    test = parted.splits().test
    assert next(shown(test, drawn(test, 3)))[0] == ["do", "n't", "?"]  # a word that training has not seen
    check_task(task)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sentiment(max_length=9), "a length is 9, but there are 8 things"),
        (lambda: Sentiment().sample(1, 9, torch.Generator()), "a length is 9"),
        (lambda: AgreementTagging(min_length=0), "min_length is 0"),
        (lambda: Names("nowhere"), "nowhere is no folder; give one of files such as Italian.txt"),
        (lambda: LabelledCSV("none.csv"), "none.csv is not there; give a UTF-8 file"),
        (lambda: LabelledCSV("none.csv", level="lines"), "level is 'lines'; give words or characters"),
        (lambda: ConlluTagging("none.conllu"), "none.conllu is not there; give a UTF-8 file in the CoNLL-U"),
        (lambda: ConlluTagging("a", test="b"), "validation is None and test 'b'; give both"),
        (lambda: ConlluTagging("a", tag="pos"), "tag is 'pos'; give upos or xpos"),
    ],
)
def test_what_is_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_too_few_examples_are_named(tmp_path):
    path = write(tmp_path, {"a.conllu": CONLLU * 3}) + "/a.conllu"
    with pytest.raises(ValueError, match="has no example for the validation; give at least 20"):
        ConlluTagging(path)


def test_examples_of_one_label_alone_are_named(tmp_path):
    path = write(tmp_path, {"a.csv": "text,label\n" + "fine film,good\n" * 20})
    with pytest.raises(ValueError, match=r"a.csv has the label 'good' alone; give examples of at least two"):
        LabelledCSV(f"{path}/a.csv")
