"""Every task that ships, and tasks of users' own, under the checks of the contract; and that those can fail."""

import copy
import dataclasses
import re
from types import SimpleNamespace

import pytest
import torch

import memnets
import memnets_tasks
from memnets.testing import check_task
from memnets.training import SequenceLearner
from memnets.training.adapters import predict, training_loss
from memnets.training.inspection import draw_all
from memnets_tasks import (
    AgreementTagging,
    AssociativeRecall,
    Batch,
    CaptionFiles,
    Characters,
    Copy,
    DigitLines,
    DynamicNGrams,
    Names,
    PageLines,
    PrioritySort,
    Recognition,
    RepeatCopy,
    Scenes,
    Sentiment,
    StringTask,
    Task,
    TextLineFiles,
    TextLines,
    VectorParity,
    WordProblem,
)
from memnets_tasks.images import write_captions, write_text_lines
from recall_cases import FILES, RECALL


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def text_files(folder):
    lines = [DigitLines().sample(4, length, seeded()) for length in (2, 3)]
    return TextLineFiles(str(write_text_lines(folder, lines, "gt")), height=16)


def caption_files(folder):
    scenes = {"train": [Scenes(size=48).sample(6, 1, seeded())]}
    return CaptionFiles(str(write_captions(folder, scenes, "karpathy")["train"]), size=48, min_word_count=1)


ALGORITHMIC = {
    "Copy": Copy(max_length=4, evaluation_lengths=(6,)),
    "RepeatCopy": RepeatCopy(max_length=3, max_repeats=3, evaluation_lengths=(4,)),
    "AssociativeRecall": AssociativeRecall(max_items=3, evaluation_lengths=(4,)),
    "DynamicNGrams": DynamicNGrams(order=3, min_length=10, max_length=20, evaluation_lengths=(30,)),
    "PrioritySort": PrioritySort(vectors=5, outputs=3, min_length=2, evaluation_lengths=(7,)),
    "VectorParity": VectorParity(size=6),
}
FORMAL = {
    "WordProblem": WordProblem(group="S3", min_length=1, max_length=20, evaluation_lengths=(30,)),
    "Recognition": Recognition(max_length=12, evaluation_lengths=(30,)),
} | {
    kind.__name__: kind(max_length=12, evaluation_lengths=(30,))
    for kind in vars(memnets_tasks).values()
    if isinstance(kind, type) and issubclass(kind, StringTask) and not kind.__abstractmethods__ and kind != Recognition
}
IMAGES = {
    "DigitLines": lambda folder: DigitLines(max_length=3, evaluation_lengths=(4,)),
    "TextLines": lambda folder: TextLines(words="generated", height=16, max_length=4, evaluation_lengths=(6,)),
    "Scenes": lambda folder: Scenes(size=48, evaluation_lengths=(2,)),
    "TextLineFiles": text_files,
    "CaptionFiles": caption_files,
    "PageLines": lambda folder: PageLines(),
}


LANGUAGE = {
    "Characters": lambda: Characters(max_characters=30_000, length=10, evaluation_lengths=(20,), ngram_order=3),
    "Sentiment": Sentiment,
    "AgreementTagging": AgreementTagging,
    "Names": Names,
}


PAIRS = ("NumbersToWords", "ReorderedLanguage", "Summaries", "TranslationFiles", "LabelledCSV", "ConlluTagging")
"""In tests/tasks/language, with predictions of words, or files."""


VIDEO = ("FrameFolders", "Gestures", "MovingShapes")
"""In tests/tasks/video."""


OTHERS = ("Stories", "TableQuestions", "BinaryDigits", "ClutteredDigits", "DigitClasses")
"""In tests/tasks/images, tests/tasks/tables."""


def test_no_task_is_missing_from_the_lists():
    kinds = [getattr(memnets_tasks, name) for name in memnets_tasks.__all__]
    concrete = {k for k in kinds if isinstance(k, type) and issubclass(k, Task) and not k.__abstractmethods__}
    assert {kind.__name__ for kind in concrete} == {
        *ALGORITHMIC,
        *FORMAL,
        *IMAGES,
        *RECALL,
        *FILES,
        *LANGUAGE,
        *PAIRS,
        *VIDEO,
        *OTHERS,
    }


@pytest.mark.parametrize("name", ALGORITHMIC)
def test_an_algorithmic_task_keeps_the_contract(name):
    check_task(ALGORITHMIC[name])


@pytest.mark.parametrize("name", FORMAL)
def test_a_task_of_symbols_keeps_the_contract(name):
    check_task(FORMAL[name])


@pytest.mark.parametrize("name", RECALL)
def test_a_task_of_recall_keeps_the_contract(name):
    check_task(RECALL[name]())


@pytest.mark.parametrize("name", LANGUAGE)
def test_a_task_of_language_keeps_the_contract(name):
    check_task(LANGUAGE[name]())


@pytest.mark.parametrize("name", IMAGES)
def test_a_task_of_images_keeps_the_contract(name, tmp_path):
    pytest.importorskip("sklearn")
    if name == "PageLines":
        pytest.importorskip("skimage.data")

    def predictions(batch):
        said = ("a", "red") if "captions" in vars(batch) else "12"
        return [SimpleNamespace(text=said, words=said, weights=None) for _ in range(len(batch))]

    check_task(IMAGES[name](tmp_path), predictions=predictions)


@pytest.mark.parametrize(
    ("name", "length", "example"),
    [
        ("Copy", 2, r"given ([01]{8} [01]{8}); wanted \1"),
        ("RepeatCopy", 1, r"given [01]{8}, [123] times; wanted ([01]{8} )+end"),
        ("AssociativeRecall", 2, r"given ([01]{6} ?){3}, ([01]{6} ?){3}; query ([01]{6} ?){3}; wanted ([01]{6} ?){3}"),
        ("DynamicNGrams", 6, r"given [01]{2}; wanted [01]{4}"),
        ("PrioritySort", 2, r"given [01]{8} \([+-]\d\.\d\d\) [01]{8} \([+-]\d\.\d\d\); wanted [01]{8} [01]{8}"),
        ("VectorParity", 2, r"given ([+-]1 |0 ){5}([+-]1|0); wanted [01]"),
    ],
)
def test_an_example_is_shown_to_people(name, length, example):
    task = ALGORITHMIC[name]
    batch = task.sample(3, torch.tensor([length + 1, length, length + 2]), seeded())
    shown = task.text(batch, 1)
    assert re.fullmatch(example, shown), shown


def test_an_example_says_what_the_batch_holds():
    task = ALGORITHMIC["AssociativeRecall"]
    given, query, wanted = task.text(task.sample(1, 3, seeded()), 0).split("; ")
    items = given.removeprefix("given ").split(", ")
    assert items[items.index(query.removeprefix("query ")) + 1] == wanted.removeprefix("wanted ")
    task = ALGORITHMIC["RepeatCopy"]
    shown = task.text(task.sample(1, 2, seeded(), repeats=2), 0)
    given, wanted = shown.removeprefix("given ").split(", 2 times; wanted ")
    assert wanted == f"{given} {given} end"
    task = ALGORITHMIC["DynamicNGrams"]
    batch = task.sample(1, 12, seeded())
    bits = [int(bit) for bit in [*batch.inputs[0, :, 0], batch.targets[0, -1, 0]]]
    assert task.text(batch, 0) == f"given {bits[0]}{bits[1]}; wanted {''.join(map(str, bits[2:]))}"


class Tokens(Task):
    """Say whether the first token comes again: tokens in, two classes out at the last step."""

    def __init__(self):
        self.vocabulary, self.output_size = 5, 2
        self.min_length, self.max_length, self.evaluation_lengths = 2, 4, (6,)
        self.length_unit = "tokens"

    def sample(self, batch_size, length, generator):
        lengths = torch.as_tensor(length).expand(batch_size).clone()
        steps = torch.arange(int(lengths.max()))
        inside = steps < lengths.unsqueeze(1)
        tokens = torch.randint(5, inside.shape, generator=generator) * inside
        again = ((tokens[:, 1:] == tokens[:, :1]) & inside[:, 1:]).any(1)
        mask = steps == lengths.unsqueeze(1) - 1
        return Batch(tokens, again.long().unsqueeze(1) * mask, mask, lengths)

    def loss(self, outputs, batch):
        return torch.nn.functional.cross_entropy(outputs[batch.mask], batch.targets[batch.mask])

    def errors(self, predictions, batch):
        return (predictions[batch.mask].argmax(-1) != batch.targets[batch.mask]).float()

    def scores(self, predictions, batch):
        return {"accuracy": 1 - self.errors(predictions, batch).mean()}


def test_a_task_of_tokens_without_type_hints_keeps_it_too():
    check_task(Tokens())


def broken(**changed):
    """A task of copying, one thing of which is wrong."""
    task = copy.copy(ALGORITHMIC["Copy"])
    for name, value in changed.items():
        object.__setattr__(task, name, value)
    return task


def drawn(change):
    """A task whose batches are changed."""
    return broken(sample=lambda count, length, generator: change(ALGORITHMIC["Copy"].sample(count, length, generator)))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (broken(evaluation_lengths=()), "evaluation_lengths is empty"),
        (broken(min_length=5), "min_length is 5 and max_length 4"),
        (broken(threshold=0.0), "threshold is 0.0"),
        (broken(sample_lengths=lambda n, g, max_length=None: torch.full((n,), 9)), r"sample_lengths gave \[9"),
        (drawn(lambda batch: tuple(vars(batch).values())), "sample gave a tuple"),
        (drawn(lambda batch: batch.shard(0, 2)), r"sample\(4, ...\) gave a batch of 2"),
        (drawn(lambda batch: dataclasses.replace(batch, mask=batch.mask.float())), "mask is torch.float32"),
        (drawn(lambda batch: dataclasses.replace(batch, lengths=batch.lengths - 1)), "pad to the longest alone"),
        (drawn(lambda batch: dataclasses.replace(batch, targets=batch.targets + 1)), "targets is not zero where"),
        (drawn(lambda batch: dataclasses.replace(batch, targets=batch.targets[..., 1:])), "the task says 8"),
        (drawn(lambda b: dataclasses.replace(b, inputs=torch.rand_like(b.inputs))), "torch's own random numbers"),
        (broken(loss=lambda outputs, batch: outputs.square().mean()), "outputs that are not scored"),
        (broken(loss=lambda outputs, batch: outputs.square().mean((1, 2))), "give a scalar"),
        (broken(errors=lambda predictions, batch: torch.zeros(())), r"errors gave the shape \(\); give \(4,\)"),
        (broken(scores=lambda predictions, batch: {}), "scores gave nothing"),
        (broken(text=lambda batch, index: None), "must give a str"),
    ],
)
def test_what_breaks_the_contract_is_named(task, message):
    with pytest.raises(AssertionError, match=message):
        check_task(task)


def test_figures_of_a_tasks_own_are_of_the_predictions_themselves():
    """And not of probabilities: what the numbers mean, the task alone knows."""
    task, seen = Copy(bits=2, max_length=3), []
    task.figures = lambda batch, predictions, trace: seen.append((batch, predictions, trace)) or {}
    model = memnets.LSTM(3, 4, output_size=2)
    draw_all(model, task)
    ((batch, predictions, trace),) = seen
    assert trace is None
    torch.testing.assert_close(predictions, predict(model, batch))


@pytest.mark.parametrize("kind", [memnets.LSTM, memnets.NTM])
def test_tokens_are_trained_on(kind):
    task, model = Tokens(), kind(6, 7, output_size=2, vocabulary=5)
    work = SequenceLearner(model, task, batch_size=4)
    loss, numbers, errors, _ = training_loss(model, task, work.training_batch(0))
    assert errors().shape == (4,)
    loss.backward()
    assert model.embedding.weight.grad.any()
    assert numbers().keys() == {"accuracy"}


@pytest.mark.parametrize(
    ("settings", "task", "message"),
    [
        ({"vocabulary": 6}, Tokens(), "the model's vocabulary is 6, but Tokens needs 5"),
        ({}, Tokens(), "the model's vocabulary is None, but Tokens needs 5"),
        ({"vocabulary": 5}, Copy(bits=2), "the model's input_size is 6, but Copy needs 3"),
        ({"vocabulary": 5}, Copy(bits=5), "the model's output_size is 2, but Copy needs 5"),
        ({"vocabulary": 5, "output_size": 5}, Copy(bits=5), "the model's vocabulary is 5, but Copy needs None"),
    ],
)
def test_a_model_of_other_tokens_is_refused(settings, task, message):
    with pytest.raises(ValueError, match=message):
        SequenceLearner(memnets.LSTM(6, 7, **{"output_size": 2, **settings}), task)
