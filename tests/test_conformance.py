"""Every contract of the recurrent modules, for each module on the one list in ``cases``."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

import memnets
import memnets.layers
import memnets.memories
from cases import (
    BATCH,
    CASES,
    STEPS,
    assert_same_state,
    clone_state,
    every_module,
    numbers_of,
    one_way,
    run_oracle,
    sequences,
    used_state,
)
from memnets.base.model import Model
from memnets.base.module import SequenceModule
from memnets.base.state import index_state, stack_states, state_tensors


def test_no_public_module_is_missing_from_the_list():
    public = {getattr(memnets, name) for name in memnets.__all__}
    public |= {getattr(memnets.memories, name) for name in memnets.memories.__all__}
    public |= {getattr(memnets.layers, name) for name in memnets.layers.__all__}
    modules = {x for x in public if inspect.isclass(x) and issubclass(x, nn.Module) and not inspect.isabstract(x)}
    whole = {x for x in modules if issubclass(x, Model) and not issubclass(x, SequenceModule)}  # tests/models
    modules -= whole
    assert memnets.TextReader in whole
    assert {memnets.NTM, memnets.NTMMemory, memnets.layers.DeltaLayer} <= modules
    listed = {type(part) for case in CASES for part in case.make().modules()}
    missing = sorted(module.__name__ for module in modules - listed)
    assert not missing, f"add {', '.join(missing)} to CASES in tests/cases.py"


@one_way
def test_a_sequence_equals_the_loops(case):
    module, inputs = case.make(), sequences()
    outputs, state = module(inputs)
    expected, last = run_oracle(module, inputs)
    np.testing.assert_allclose(outputs.detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    for got, want in zip(state_tensors(state), last, strict=True):
        np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-9, atol=1e-12)


@every_module
def test_shapes_and_initial_state(case):
    module, inputs = case.make(), sequences()
    initial = module.initial_state(BATCH)
    assert all(len(tensor) == BATCH for tensor in state_tensors(initial))
    assert all(tensor.dtype == torch.float64 for tensor in numbers_of(initial))
    outputs, state = module(inputs)
    assert outputs.shape == (BATCH, STEPS, module.output_size)
    again, state_again = module(inputs, initial)
    assert torch.equal(outputs, again)
    assert_same_state(state_again, state, rtol=0, atol=0)


@every_module
def test_nothing_handed_in_is_changed(case):
    module, inputs = case.make(), sequences()
    state, lengths = used_state(module), torch.tensor([2, 0, 5])
    kept = inputs.clone(), clone_state(state), lengths.clone()
    module(inputs, state, lengths)
    assert torch.equal(inputs, kept[0])
    assert_same_state(state, kept[1], rtol=0, atol=0)
    assert torch.equal(lengths, kept[2])


@one_way
@pytest.mark.parametrize("lengths", [None, [5, 2, 0]])
def test_two_parts_equal_the_whole(case, lengths):
    module, inputs = case.make(), sequences()
    start = used_state(module)
    whole, last = module(inputs, start, lengths)
    for cut in range(1, STEPS):
        first = None if lengths is None else [min(n, cut) for n in lengths]
        second = None if lengths is None else [max(n - cut, 0) for n in lengths]
        head, state = module(inputs[:, :cut], start, first)
        tail, state = module(inputs[:, cut:], state, second)
        assert_close(torch.cat([head, tail], 1), whole)
        assert_same_state(state, last)


@one_way
def test_step_by_step_equals_the_whole(case):
    module, inputs = case.make(), sequences()
    whole, last = module(inputs)
    state, outputs = None, []
    for t in range(STEPS):
        output, state = module(inputs[:, t : t + 1], state)
        outputs.append(output)
    assert_close(torch.cat(outputs, 1), whole)
    assert_same_state(state, last)


@every_module
def test_lengths_equal_each_sequence_alone(case):
    """Every length from 0 to T, in no order, from a state that is not the initial one."""
    module = case.make()
    lengths = [2, 5, 0, 3, 1, 4]
    inputs, start = sequences(batch=6), used_state(module, batch=6)
    outputs, state = module(inputs, start, lengths)
    for b, length in enumerate(lengths):
        assert outputs[b, length:].eq(0).all()
        alone = index_state(start, b)
        if length:
            expected, alone = module(inputs[b : b + 1, :length], alone)
            assert_close(outputs[b : b + 1, :length], expected)
            assert_same_state(index_state(state, b), alone)
        else:
            assert_same_state(index_state(state, b), alone, rtol=0, atol=0)


@every_module
@pytest.mark.parametrize("garbage", [1e3, float("nan")])
def test_padding_changes_nothing(case, garbage):
    module, lengths = case.make(), torch.tensor([2, 5, 0])
    inputs = sequences()
    padded = inputs.clone()
    for b, length in enumerate(lengths):
        padded[b, length:] = garbage
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    outputs, state = module(inputs, None, lengths)
    outputs_padded, state_padded = module(padded, None, lengths)
    assert torch.equal(outputs, outputs_padded)
    assert_same_state(state_padded, state, rtol=0, atol=0)
    outputs_padded.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@every_module
def test_lengths_of_any_kind_and_none_at_all(case):
    module, inputs = case.make(), sequences()
    expected, last = module(inputs, None, [4, 1, 3])
    for lengths in (torch.tensor([4, 1, 3]), torch.tensor([4, 1, 3], dtype=torch.int32), (4, 1, 3)):
        outputs, state = module(inputs, lengths=lengths)
        assert torch.equal(outputs, expected)
        assert_same_state(state, last)
    assert_close(module(inputs, None, [STEPS] * BATCH)[0], module(inputs)[0])
    start = used_state(module)
    outputs, state = module(inputs, start, [0, 0, 0])
    assert outputs.shape == expected.shape
    assert outputs.eq(0).all()
    assert_same_state(state, start, rtol=0, atol=0)


@every_module
def test_sequences_of_a_batch_are_independent(case):
    module, inputs = case.make(), sequences().requires_grad_()
    outputs, state = module(inputs)
    total = outputs[1].sum() + sum(tensor[1].sum() for tensor in state_tensors(state))
    (gradient,) = torch.autograd.grad(total, inputs)
    assert gradient[[0, 2]].eq(0).all()
    for b in range(BATCH):
        assert_close(outputs[b : b + 1], module(inputs[b : b + 1])[0])


@every_module
@pytest.mark.parametrize("lengths", [None, torch.tensor([2, 5, 3])])
def test_the_order_of_the_batch_does_not_matter(case, lengths):
    module, inputs, order = case.make(), sequences(), torch.tensor([2, 0, 1])
    start = used_state(module)
    outputs, state = module(inputs, start, lengths)
    mixed, mixed_state = module(inputs[order], index_state(start, order), None if lengths is None else lengths[order])
    assert_close(mixed, outputs[order])
    assert_same_state(mixed_state, index_state(state, order))


@every_module
def test_batch_second(case):
    module, other = case.make(), case.make(batch_first=False)
    inputs, start = sequences(), used_state(module)
    for lengths in (None, [2, 5, 0]):
        outputs, state = module(inputs, start, lengths)
        outputs_other, state_other = other(inputs.transpose(0, 1), start, lengths)
        assert_close(outputs_other, outputs.transpose(0, 1))
        assert_same_state(state_other, state)


@every_module
def test_one_sequence_without_a_batch(case):
    module, inputs = case.make(), sequences(batch=1)
    expected, last = module(inputs, None, [4])
    outputs, state = module(inputs[0], lengths=4)
    assert_close(outputs, expected[0])
    assert all(got.shape == want.shape[1:] for got, want in zip(state_tensors(state), state_tensors(last)))
    again, _ = module(inputs[0, :2], state, torch.tensor(2))
    assert_close(again, module(inputs[:, :2], last, [2])[0][0])
    second = case.make(batch_first=False)
    assert_close(second(inputs[0], lengths=4)[0], expected[0])


@one_way
def test_two_interleaved_sequences_do_not_disturb_each_other(case):
    module, a, b = case.make(), sequences(seed=4), sequences(seed=5)
    expected_a, expected_b = module(a)[0], module(b)[0]
    first_a, state_a = module(a[:, :2])
    first_b, state_b = module(b[:, :3])
    second_a, _ = module(a[:, 2:], state_a)
    second_b, _ = module(b[:, 3:], state_b)
    assert_close(torch.cat([first_a, second_a], 1), expected_a)
    assert_close(torch.cat([first_b, second_b], 1), expected_b)
    assert not [name for name, _ in module.named_buffers()], "a sequence's tensors do not live on the module"


@every_module
def test_states_of_several_batches_join(case):
    module, inputs = case.make(), sequences()
    _, state = module(inputs)
    parts = [index_state(state, b) for b in range(BATCH)]
    assert_same_state(stack_states(parts), state, rtol=0, atol=0)


@every_module
def test_tokens_are_their_embeddings(case):
    if "vocabulary" not in case.make().config:
        return  # a bare cell in Recurrent takes them too, and its models are on the list
    module = case.make(vocabulary=7)
    tokens = torch.randint(7, (BATCH, STEPS), generator=torch.Generator().manual_seed(0))
    lengths = [2, 5, 0]
    outputs, state = module(tokens, lengths=lengths)
    plain = case.make()
    plain.load_state_dict({name: t for name, t in module.state_dict().items() if not name.startswith("embedding.")})
    expected, last = plain(module.embedding(tokens), lengths=lengths)
    assert torch.equal(outputs, expected)
    assert_same_state(state, last, rtol=0, atol=0)
    outputs.sum().backward()
    used = torch.cat([tokens[0, :2], tokens[1]]).unique()
    assert module.embedding.weight.grad[used].ne(0).any(-1).all()
    for bad, error, remedy in (
        (tokens + 7, ValueError, "token (7|8|9|10|11|12|13), but must lie within 0..6"),
        (tokens.float(), TypeError, "float32.*int64"),
        (tokens.unsqueeze(-1), ValueError, r"\(3, 5, 1\).*two dimensions"),
    ):
        with pytest.raises(error, match=remedy):
            module(bad)
