"""Small models learn tasks of formal languages, and generalise as the theory says they can."""

import torch

from memnets import LSTM, MemoryNetwork, StackMemory
from memnets_tasks import ParityCheck, ReverseString, generator, length_score


def train(model, task, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(steps):
        random = generator(0, "train", step)
        batch = task.sample(48, task.sample_lengths(48, random), random)
        loss = task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


def score(model, task, *lengths):
    def predict(batch):
        return model(batch.inputs, lengths=batch.lengths)[0]

    return length_score(predict, task, lengths=lengths, sequences=64).by_length


def test_an_lstm_learns_parity_for_any_length():
    torch.manual_seed(0)
    task = ParityCheck(max_length=10)
    accuracy = score(train(LSTM(3, 32, output_size=2), task, 300), task, 40, 500)
    assert accuracy[40] == 1
    assert accuracy[500] > 0.95


def test_a_stack_learns_to_reverse_strings_longer_than_any_of_training():
    """The controller has no memory of its own: all that it knows of the string is what it pops."""
    torch.manual_seed(0)
    task = ReverseString(max_length=10)
    memory = StackMemory(slots=12, width=8)
    model = MemoryNetwork(3, 16, memory=memory, controller="feedforward", output_size=2, backend="reference")
    accuracy = score(train(model, task, 250).resize(128), task, 10, 40, 100)
    assert accuracy[10] > 0.999
    assert accuracy[40] > 0.99
    assert accuracy[100] > 0.85
