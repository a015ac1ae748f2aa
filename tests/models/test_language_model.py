"""Language models: what they learn, what they write, and the state that training carries from piece to piece."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from memnets.base.state import state_tensors
from memnets.testing import check_task
from memnets.training import SequenceLearner
from memnets_tasks import Characters, Copy

TEXT = "the cat sat on the mat. "
NETWORKS = {
    "lstm": lambda: memnets.LSTM(8, 12),
    "gru": lambda: memnets.GRU(8, 12, num_layers=2),
    "ntm": lambda: memnets.NTM(8, 12, slots=6, width=4, backend="reference"),
    "delta": lambda: memnets.DeltaNet(8, 12, heads=2),
    "transformer": lambda: memnets.Transformer(8, 12, heads=2),
}


def model_of(network="lstm", charset=None, **settings):
    torch.manual_seed(0)
    return memnets.LanguageModel(charset or Characters(text=TEXT).charset, network=NETWORKS[network](), **settings)


class Shell:
    """The least that takes steps."""

    step, rank, processes, scaled = 0, 0, 1, False

    def __init__(self, model, lr=1e-2):
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def zero_grad(self):
        self.optimizer.zero_grad()

    def backward(self, loss):
        loss.backward()

    def unscale(self):
        pass

    def take_step(self):
        self.optimizer.step()

    def mean(self, numbers):
        return numbers


def steps_of(model, task, **settings):
    return SequenceLearner(model, task, batch_size=3, **settings).train_on_batch


@pytest.mark.parametrize("network", NETWORKS)
def test_any_network_reads_in_two_halves_as_in_one(network):
    model = model_of(network).eval()
    tokens = torch.randint(len(model.symbols), (2, 7), generator=torch.Generator().manual_seed(1))
    whole, _ = model(tokens)
    first, state = model(tokens[:, :4])
    second, _ = model(tokens[:, 4:], state)
    assert_close(torch.cat([first, second], dim=1), whole)
    assert whole.shape == (2, 7, len(model.symbols))


@pytest.mark.parametrize("network", ["lstm", "ntm", "delta"])
def test_training_carries_the_state_from_piece_to_piece(network):
    task, model = Characters(text=TEXT, length=5), model_of(network)
    steps = steps_of(model, task)
    for _ in range(3):
        steps(Shell(model, lr=0.0), "cpu", report=False)
    pieces = torch.cat([steps.draw(step, 1, "cpu").inputs for step in range(3)], dim=1)  # (3, 15)
    _, wanted = model(pieces)
    carried = steps.carried.before(pieces)
    for ours, other in zip(state_tensors(carried), state_tensors(wanted), strict=True):
        assert_close(ours, other.detach())
        assert not ours.requires_grad


def test_a_state_that_grows_is_not_carried():
    task, model = Characters(text=TEXT, length=5), model_of("transformer")
    steps = steps_of(model, task)
    steps(Shell(model), "cpu", report=False)
    assert all(tensor.numel() == 0 or not tensor.any() for tensor in state_tensors(steps.carried.before([0] * 3)))


def test_a_stream_is_resumed_exactly_and_another_batch_size_starts_afresh():
    task = Characters(text=TEXT, length=5)

    def run(model, steps, count):
        shell = Shell(model)
        for _ in range(count):
            steps(shell, "cpu", report=False)
        return shell

    whole = model_of()
    torch.manual_seed(1)
    run(whole, steps_of(whole, task), 4)
    broken = model_of()
    first = steps_of(broken, task)
    shell = run(broken, first, 2)
    later = steps_of(broken, task)
    later.load_state_dict(first.state_dict())
    for _ in range(2):
        later(shell, "cpu", report=False)
    for ours, other in zip(broken.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, other)
    other = SequenceLearner(broken, task, batch_size=4).train_on_batch
    other.load_state_dict(first.state_dict())
    assert not any(tensor.any() for tensor in state_tensors(other.carried.before([0] * 4)))


def test_a_state_that_is_not_finite_is_let_go():
    task, model = Characters(text=TEXT, length=5), model_of()
    steps = steps_of(model, task)
    steps(Shell(model), "cpu", report=False)
    saved = steps.state_dict()
    saved["carried"][0] = saved["carried"][0] * torch.nan
    steps.load_state_dict(saved)
    assert not any(tensor.any() for tensor in state_tensors(steps.carried.before([0] * 3)))


def test_a_curriculum_is_refused():
    from memnets_tasks import Growing

    with pytest.raises(ValueError, match=r"Characters is read piece by piece.*leave the curriculum out"):
        steps_of(model_of(), Characters(text=TEXT), curriculum=Growing(start=2, steps=10))


@pytest.fixture(scope="module")
def learnt():
    """An LSTM that knows the sentence."""
    task, model = Characters(text=TEXT, length=12, evaluation_lengths=(30,)), model_of()
    steps, shell = steps_of(model, task), Shell(model, lr=2e-2)
    for _ in range(250):
        steps(shell, "cpu", report=False)
    return task, model.eval()


def test_a_text_is_learnt_by_heart(learnt):
    task, model = learnt
    batch = task.sample(20, 30, torch.Generator().manual_seed(3))
    assert task.errors(model.predict(batch), batch).mean() < 0.1
    assert task.text(batch, 0).startswith("given '")
    check_task(task)


def test_it_writes_on_from_a_prompt_to_the_end_of_the_text(learnt):
    _, model = learnt
    assert "".join(model.sample("the cat", temperature=0)) == " sat on the mat. "
    for temperature in (0.1, 1e-300):
        assert "".join(model.sample("the cat", length=4, temperature=temperature)) == " sat"
    assert "".join(model.sample(temperature=0, length=4)) == "the "


def test_it_writes_one_character_at_a_time_by_the_generator(learnt):
    _, model = learnt
    hot = [
        "".join(model.sample("the", length=30, temperature=5.0, generator=torch.Generator().manual_seed(seed)))
        for seed in (1, 1, 2)
    ]
    assert hot[0] == hot[1] != hot[2]
    text = model.sample("the", length=10**9, temperature=0)
    assert next(text) == " "


def test_a_context_is_read_anew_in_halves():
    model = model_of("transformer", charset="ab", context=4).eval()
    seen = []
    forward = model.network.forward
    model.network.forward = lambda x, state=None, lengths=None: seen.append(x.shape[1]) or forward(x, state, lengths)
    with torch.no_grad():
        model.output.bias[0] = -1e4  # never the end
    assert len("".join(model.sample("ab", length=6))) == 6
    assert seen == [3, 1, 2, 1, 1, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt": "x"}, r"holds 'x' .* not among the charset's"),
        ({"temperature": -1.0}, "temperature is -1.0, but must be at least 0"),
        ({"length": -1}, "length is -1"),
    ],
)
def test_what_cannot_be_written_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        model_of().sample(**settings)


def test_characters_are_exchanged_and_kept(tmp_path):
    model = model_of(charset="abc")
    old = model(torch.tensor([[1, 2]]))[0]
    change = model.change_charset("cabd")
    assert (change.kept, change.added) == (("c", "a", "b"), ("d",))
    assert_close(model(torch.tensor([[2, 3]]))[0][..., [0, 2, 3, 1]], old)
    again = memnets.LanguageModel.from_pretrained(model.save_pretrained(tmp_path), network=NETWORKS["lstm"]())
    assert_close(again(torch.tensor([[2, 3]]))[0], model(torch.tensor([[2, 3]]))[0])


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: memnets.LanguageModel("ab", network=torch.nn.LSTM(3, 3)), TypeError, "network is a LSTM, but must be"),
        (lambda: memnets.LanguageModel("ab", network=memnets.LSTM(3, 3, vocabulary=4)), ValueError, "vocabulary"),
        (lambda: model_of(dropout=2.0), ValueError, "dropout is 2.0"),
        (lambda: model_of(charset="ab").check_task(Characters(text="ba")), ValueError, "charset is not that of Charac"),
        (lambda: model_of(charset="ab").check_task(Copy()), ValueError, "needs a task with a charset"),
    ],
)
def test_what_does_not_go_together_is_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
