"""Pairs of sentences: numbers, the language that reorders, summaries, files; and how translations are scored."""

from types import SimpleNamespace

import pytest
import torch

from memnets.testing import check_task
from memnets_tasks import NumbersToWords, ReorderedLanguage, Summaries, TranslationFiles, generator
from memnets_tasks.language import PairBatch, english_words, german_words


def drawn(task, length, count=200, seed=0):
    return task.sample(count, length, generator(seed, "test", 0))


def said(*sentences):
    return [SimpleNamespace(words=tuple(sentence.split()), weights=None) for sentence in sentences]


@pytest.mark.parametrize(
    ("number", "english", "german"),
    [
        (0, "zero", "null"),
        (1, "one", "eins"),
        (12, "twelve", "zwölf"),
        (21, "twenty one", "ein und zwanzig"),
        (40, "forty", "vierzig"),
        (101, "one hundred one", "ein hundert eins"),
        (215, "two hundred fifteen", "zwei hundert fünfzehn"),
        (1000, "one thousand", "ein tausend"),
        (
            21_045,
            "twenty one thousand forty five",
            "ein und zwanzig tausend fünf und vierzig",
        ),
        (101_001, "one hundred one thousand one", "ein hundert ein tausend eins"),
        (1_000_000, "one million", "eine million"),
        (
            301_000_066,
            "three hundred one million sixty six",
            "drei hundert ein millionen sechs und sechzig",
        ),
    ],
)
def test_numbers_are_said(number, english, german):
    assert " ".join(english_words(number)) == english
    assert " ".join(german_words(number)) == german


def test_numbers_have_the_digits_asked_for_and_no_leading_zero():
    batch = drawn(NumbersToWords(), 3)
    assert all(len(source) == 3 and source[0] != "0" for source in batch.sources)
    assert len(set(batch.sources)) > 150
    for source, target in zip(batch.sources, batch.targets):
        assert target == english_words(int("".join(source)))
    assert len({*drawn(NumbersToWords(), 1).targets}) == 10


def test_the_language_reorders_as_its_grammar_says():
    """Each clause is translated anew, by another program: word by word, then moved."""
    task = ReorderedLanguage(max_length=3)
    english, other = task.vocabulary[:29], task.vocabulary[30:]  # "the" is "lo" or "na", by the noun
    nouns, verbs = set(english[1:13]), set(english[21:27])
    translated = dict(zip(english[1:], other[1:]))

    def phrase(part):
        noun = part[-1]
        article = "lo" if english[1:13].index(noun) % 2 == 0 else "na"
        return [translated[noun], *(translated[word] for word in part[1:-1]), article]

    batch = drawn(task, 3)
    for source, target in zip(batch.sources, batch.targets):
        expected, clause, joint = [], [], ""
        for word in (*source, "and"):
            if word not in ("and", "because"):
                clause.append(word)
                continue
            place = next(n for n, w in enumerate(clause) if w in verbs)
            made = [*phrase(clause[:place]), *phrase(clause[place + 1 :]), translated[clause[place]]]
            whole = {"": made, "and": [*expected, "je", *made], "because": ["kar", *made, *expected]}
            expected = whole[joint]
            joint, clause = word, []
        assert tuple(expected) == target
        assert sum(word in nouns for word in source) == 6


def test_unseen_pairs_of_adjective_and_noun_are_in_each_clause_of_their_own_sentences_alone():
    task = ReorderedLanguage()
    unseen = task.splits().unseen["unseen pairs of adjective and noun"]

    def pairs(batch):
        """(adjective, noun) as they stand in phrases of one clause."""
        for source in batch.sources:
            phrase, own = [], set()
            for word in source:
                if word == "the":
                    phrase = []
                elif word in task.vocabulary[1:13]:
                    own |= {(adjective, word) for adjective in phrase}
                else:
                    phrase.append(word)
            yield own

    seen = set.union(*pairs(drawn(task, 1, 3000)))
    fresh = [own - seen for own in pairs(drawn(unseen, 1, 300))]
    assert all(len(own) == 1 for own in fresh)
    assert len(set.union(*fresh)) > 10


def test_summaries_say_where_each_is_at_last():
    batch = drawn(Summaries(), 8, 50)
    for source, target in zip(batch.sources, batch.targets):
        last = {}
        for sentence in " ".join(source).split(" . "):
            words = sentence.removesuffix(" .").split()
            last[words[0]] = words[-1]
        assert target == tuple(" ".join(f"{name} {place}" for name, place in last.items()).split())


@pytest.mark.parametrize(
    "task", [ReorderedLanguage(), NumbersToWords("german"), Summaries()], ids=lambda t: type(t).__name__
)
def test_generated_pairs_keep_the_contract(task):
    check_task(task, predictions=lambda batch: said(*["a b"] * len(batch)))
    batch = drawn(task, task.max_length)
    assert {word for sentence in (*batch.sources, *batch.targets) for word in sentence} <= set(task.vocabulary)
    assert task.text(batch, 0).startswith("given ")


def test_scores_of_a_corpus():
    task = NumbersToWords()
    batch = PairBatch((("1",), ("2", "1")), (("one", "a", "b", "c"), ("twenty", "one", "b", "c")))
    right, half = said("one a b c", "twenty one b c"), said("one a b c", "no")
    assert task.scores(right, batch) == {"bleu4": 1, "exact_match": 1}
    scores = task.corpus_scores([(half, batch), (right, batch)])
    assert scores["exact_match"] == 0.75
    assert 0 < scores["bleu4"] < 1
    assert task.errors(half, batch).tolist() == [0, 1]
    assert int(task.loss_weight(batch)) == 10
    with pytest.raises(ValueError, match="1 predictions for 2 sentences"):
        task.errors(right[:1], batch)
    with pytest.raises(ValueError, match="nothing to score"):
        task.corpus_scores([])


def tsv(tmp_path, lines):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(lines if isinstance(lines, bytes) else "\n".join(lines).encode())
    return str(path)


LINES = [f"I see {n} birds.\tJe vois {n} oiseaux !\tCC-BY" for n in range(60)]


def test_a_file_of_pairs_is_read_and_parted(tmp_path):
    bad = ["no tab here", "\tempty", "I see 1 birds.\tJe vois 1 oiseaux !", "a " * 31 + "\tb"]
    task = TranslationFiles(tsv(tmp_path, [*LINES, *bad]))
    validation, test, _ = task.splits()
    assert task.skipped == {"no tab": 1, "an empty sentence": 1, "there already": 1, "over 30 words": 1}
    assert (len(task), len(validation), len(test)) == (54, 3, 3)
    assert next(iter(test.batches(2))).sources[0] == ("i", "see", "19", "birds", ".")
    assert {"je", "oiseaux", "!"} <= set(task.vocabulary)
    assert "cc" not in task.vocabulary
    everything = [pair for part in (task, validation, test) for pair in part._pairs]
    assert len(set(everything)) == 60
    swapped = TranslationFiles(tsv(tmp_path, [f"\ufeff{LINES[0]}", *LINES]), swap=True)  # as Windows writes it
    assert swapped.skipped == {"there already": 1}
    assert swapped._pairs[0] == (("je", "vois", "0", "oiseaux", "!"), ("i", "see", "0", "birds", "."))
    check_task(task, predictions=lambda batch: said(*["a"] * len(batch)))


def test_a_source_with_several_translations_is_in_one_part_alone(tmp_path):
    task = TranslationFiles(tsv(tmp_path, [line for one in LINES for line in (one, one.replace("vois", "regarde"))]))
    validation, test, _ = task.splits()
    sources = [{source for source, _ in part._pairs} for part in (task, validation, test)]
    assert [len(part) for part in sources] == [54, 3, 3]
    assert len(set.union(*sources)) == 60
    assert (len(task), len(validation), len(test)) == (108, 6, 6)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"\xff\tb", "is no UTF-8; give a UTF-8 file"),
        (LINES[:3], "has 3 pairs that can be used .* give at least 20"),
        (["a b"] * 30, "has 0 pairs that can be used .*'no tab': 30"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(lines, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        TranslationFiles(tsv(tmp_path, lines))
    with pytest.raises(ValueError, match=r"none\.tsv is not there"):
        TranslationFiles("none.tsv")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NumbersToWords("french"), "language is 'french'; give english or german"),
        (lambda: NumbersToWords(max_length=10), "a length is 10, but numbers are said up to 9"),
        (lambda: NumbersToWords().sample(1, 12, torch.Generator()), "length is 12, but numbers"),
        (lambda: ReorderedLanguage(min_length=3), "max_length is 2, below min_length 3"),
        (lambda: Summaries(evaluation_lengths=()), "evaluation_lengths is empty"),
    ],
)
def test_what_is_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
