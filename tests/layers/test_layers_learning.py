"""Real learning at a small size: values are recalled by keys, a Transformer copies, one block says what comes next."""

import pytest
import torch
from torch.nn import functional as F

import memnets
from memnets_tasks import Copy, InductionHeads, generator

KEYS, VALUES, PAIRS = 8, 8, 4


def recall(batch, generator):
    """P pairs of a key and a value, then the keys again in another order (B, 3P), and the values asked for (B, P)."""
    keys = torch.rand(batch, KEYS, generator=generator).argsort(1)[:, :PAIRS]
    values = torch.randint(VALUES, (batch, PAIRS), generator=generator)
    order = torch.rand(batch, PAIRS, generator=generator).argsort(1)
    shown = torch.stack([keys, KEYS + values], dim=2).flatten(1)  # (B, 2P)
    return torch.cat([shown, keys.gather(1, order)], dim=1), values.gather(1, order)


@pytest.mark.parametrize(
    ("kind", "options"),
    [(memnets.DeltaNet, {}), (memnets.Titans, {"chunk": 4, "depth": 2})],
    ids=["delta-net", "titans"],
)
def test_values_are_recalled_by_their_keys(kind, options):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = kind(16, 32, vocabulary=KEYS + VALUES, output_size=VALUES, heads=2, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(200):
        tokens, wanted = recall(32, generator)
        loss = F.cross_entropy(model(tokens)[0][:, -PAIRS:].flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    tokens, wanted = recall(500, torch.Generator().manual_seed(1000))
    with torch.no_grad():
        right = model(tokens)[0][:, -PAIRS:].argmax(-1) == wanted
    assert right.float().mean() > 0.95


def test_a_transformer_copies():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    task = Copy(bits=4, max_length=4)
    model = memnets.Transformer(
        task.input_size, 32, output_size=task.output_size, num_layers=2, heads=2, positions="sinusoidal"
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    test = task.sample(200, task.max_length, torch.Generator().manual_seed(1000))
    wrong = 8.0  # by guessing 16 bits
    for step in range(1, 1001):
        batch = task.sample(32, task.sample_lengths(32, generator), generator)
        loss = task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            with torch.no_grad():
                wrong = task.scores(model(test.inputs, lengths=test.lengths)[0], test)["bit_errors"].item()
            if wrong < 0.1:
                break
    assert wrong < 0.1


def induction(kind, lengths=(16, 64), **options):
    """Accuracy on the induction heads task at ``lengths``, of one trained at 4 to 16 tokens."""
    torch.manual_seed(0)
    task = InductionHeads(vocabulary=8, min_length=4, max_length=16)
    model = kind(32, 32, vocabulary=8, output_size=8, heads=2, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(150):
        random = generator(0, "train", step)
        batch = task.sample(64, task.sample_lengths(64, random), random)
        loss = task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    tests = [task.sample(500, length, generator(1, "test", length)) for length in lengths]
    with torch.no_grad():
        return [task.scores(model(batch.inputs)[0], batch)["accuracy"].item() for batch in tests]


def test_one_layer_of_a_memory_mosaic_says_what_came_next_and_one_of_a_transformer_does_not():
    """Zhang et al. 2024, section 4; and for four times the trained length."""
    assert min(induction(memnets.MemoryMosaic)) > 0.98
    assert max(induction(memnets.Transformer)) < 0.5
