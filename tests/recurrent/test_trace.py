"""A trace holds what the memory did, step by step, and leaves nothing behind."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import memnets
from cases import CASES, is_memory, sequences
from memnets import MemoryCell

MEMORIES = [case for case in CASES if is_memory(case.make())]
every_memory = pytest.mark.parametrize("case", MEMORIES, ids=lambda case: case.name)


def by_hand(module, inputs, state=None):
    """Records of a step-by-step run of ``inputs`` (B, T, I), without a trace: one dictionary a step."""
    state = state or module.initial_state(len(inputs))
    records = []
    with torch.no_grad():
        for x in inputs.unbind(1):
            h, _ = module.cell.controller(torch.cat([x, state.reads], -1), state.controller)
            parts = module.cell.memory.interface(module.cell.interface(h))
            _, after = module.cell(x, state)
            records.append(
                {"reads": after.reads}
                | {
                    name: value
                    for name, (value, _) in module.cell.memory.record(parts, state.memory, after.memory).items()
                }
            )
            state = after
    return records


@every_memory
def test_records_equal_a_run_by_hand(case):
    module, inputs = case.make(), sequences()
    expected_output, _ = module(inputs)
    with memnets.trace(module) as trace:
        output, _ = module(inputs)
    torch.testing.assert_close(output, expected_output, rtol=1e-9, atol=1e-12)  # fused outside, plain within
    expected = by_hand(module, inputs)
    assert set(trace) == {*expected[0], "lengths"}
    assert len(trace) == len(expected[0]) + 1
    for name in expected[0]:
        assert_close(trace[name], torch.stack([step[name] for step in expected], 1))
        assert not trace[name].requires_grad
    assert trace["lengths"].tolist() == [5, 5, 5]


def test_shapes():
    ntm = memnets.NTM(3, 5, slots=6, width=4, read_heads=2, write_heads=3, shift_range=2)
    with memnets.trace(ntm) as trace:
        ntm(sequences(batch=7, steps=4, dtype=torch.float32))
    shapes = {name: tuple(tensor.shape) for name, tensor in trace.items()}
    assert shapes == {
        "read_weights": (7, 4, 2, 6),
        "write_weights": (7, 4, 3, 6),
        "memory": (7, 4, 6, 4),
        "reads": (7, 4, 2, 4),
        "key": (7, 4, 5, 4),
        "strength": (7, 4, 5),
        "interpolation_gate": (7, 4, 5),
        "sharpening": (7, 4, 5),
        "shift": (7, 4, 5, 5),
        "erase": (7, 4, 3, 4),
        "add": (7, 4, 3, 4),
        "lengths": (7,),
    }


@every_memory
@pytest.mark.parametrize("as_keyword", [True, False])
def test_lengths_keep_the_order_of_the_batch_and_pad_with_zeros(case, as_keyword):
    module, inputs, lengths = case.make(), sequences(batch=4), torch.tensor([2, 5, 0, 3])
    with memnets.trace(module) as trace:
        module(inputs, lengths=lengths) if as_keyword else module(inputs, None, lengths)
    assert torch.equal(trace["lengths"], lengths)
    for b, length in enumerate(lengths):
        expected = by_hand(module, inputs[b : b + 1, :length])
        for name in set(trace) - {"lengths"}:
            assert trace[name].shape[:2] == (4, 5)
            assert trace[name][b, length:].eq(0).all()
            for t, step in enumerate(expected):
                assert_close(trace[name][b, t], step[name][0])


def test_batch_second_is_traced_batch_first():
    module, other = MEMORIES[0].make(), MEMORIES[0].make(batch_first=False)
    with memnets.trace(module) as trace, memnets.trace(other) as trace_other:
        module(sequences(), None, [5, 1, 2])
        other(inputs=sequences().transpose(0, 1), lengths=[5, 1, 2])
    for name in trace:
        assert_close(trace_other[name], trace[name])


@pytest.mark.parametrize("lengths", [[5, 5, 5], [5, 1, 3]])
def test_a_sequence_fed_in_parts_gives_one_trace(lengths):
    module, inputs = MEMORIES[0].make(), sequences()
    with memnets.trace(module) as whole:
        module(inputs, None, lengths)
    with memnets.trace(module) as parts:
        state = None
        for start, stop in ((0, 2), (2, 3), (3, 5)):
            within = [min(max(n - start, 0), stop - start) for n in lengths]
            _, state = module(inputs[:, start:stop], state, within)
            assert parts["memory"].shape[1] == stop
    assert set(parts) == set(whole)
    for name in whole:
        assert_close(parts[name], whole[name])


def test_a_sequence_that_pauses_within_a_part_goes_on_right_there():
    """The parts have other lengths: the first of sequence 1 ends a step early, and its second comes right after."""
    module, inputs = MEMORIES[0].make(), sequences()
    with memnets.trace(module) as trace:
        _, state = module(inputs[:, :3], None, [3, 2, 0])
        module(inputs[:, 3:], state, [2, 2, 1])
    assert trace["lengths"].tolist() == [5, 4, 1]
    expected = by_hand(module, inputs[1:2, [0, 1, 3, 4]])
    for t, step in enumerate(expected):
        assert_close(trace["memory"][1, t], step["memory"][0])
    assert trace["memory"][1, 4].eq(0).all()
    assert_close(trace["add"][2, 0], by_hand(module, inputs[2:3, 3:4])[0]["add"][0])


def hooks(module):
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def test_nothing_stays_on_the_module():
    module, inputs = MEMORIES[0].make(), sequences()
    with memnets.trace(module) as trace:
        assert hooks(module) > 0
        module(inputs)
    assert hooks(module) == 0
    before = trace["memory"].clone()
    module(inputs)
    assert torch.equal(trace["memory"], before)
    with pytest.raises(RuntimeError, match="stop"), memnets.trace(module):
        raise RuntimeError("stop")
    assert hooks(module) == 0


def test_a_call_that_fails_leaves_no_steps_behind():
    module, inputs = MEMORIES[0].make(), sequences()
    with memnets.trace(module) as trace:
        with pytest.raises(ValueError, match="features"):
            module(inputs[:, :, :2])
        module(inputs)
    assert trace["memory"].shape[1] == inputs.shape[1]


def test_training_while_tracing_keeps_the_gradient():
    module, inputs = MEMORIES[0].make(), sequences()
    module(inputs)[0].square().sum().backward()
    expected = [parameter.grad.clone() for parameter in module.parameters()]
    module.zero_grad()
    with memnets.trace(module):
        module(inputs)[0].square().sum().backward()
    for parameter, want in zip(module.parameters(), expected):
        torch.testing.assert_close(parameter.grad, want, rtol=1e-9, atol=1e-12)


def test_the_memory_within_a_network_is_found():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.ntm = nn.Linear(3, 3), memnets.NTM(3, 5, slots=4, width=2)

        def forward(self, x):
            return self.ntm(self.first(x))

    network = Network()
    with memnets.trace(network) as trace:
        network(sequences(dtype=torch.float32))
    assert trace["memory"].shape == (3, 5, 4, 2)


def test_a_compiled_module_is_traced_by_its_plain_cell():
    plain = memnets.NTM(3, 5, slots=4, width=2, backend="reference").double()
    module = memnets.NTM(3, 5, slots=4, width=2, backend="compiled").double()
    module.load_state_dict(plain.state_dict())
    with memnets.trace(module) as trace:
        output, _ = module(sequences())
    assert trace["memory"].shape == (3, 5, 4, 2)
    assert torch.equal(output, plain(sequences())[0])


def test_autocast_is_traced():
    module = MEMORIES[0].make(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16), memnets.trace(module) as trace:
        module(sequences(dtype=torch.float32))
    assert all(trace[name].isfinite().all() for name in trace)


def test_an_unknown_record():
    module = MEMORIES[0].make()
    with memnets.trace(module) as trace:
        with pytest.raises(KeyError, match="the trace holds no 'memory'; it holds nothing yet"):
            trace["memory"]
        module(sequences())
    with pytest.raises(KeyError, match=r"the trace holds no 'usage'; it holds reads, key, .*lengths"):
        trace["usage"]
    assert trace.get("usage") is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: memnets.LSTM(3, 5), "LSTM records nothing of its steps"),
        (lambda: nn.Linear(2, 2), "Linear records nothing of its steps"),
        (lambda: nn.ModuleList([memnets.NTM(3, 5), memnets.NTM(3, 5)]), "holds 2 modules with a memory"),
    ],
)
def test_a_module_without_just_one_memory(make, message):
    with pytest.raises(ValueError, match=message):
        memnets.trace(make())


def test_a_decoder_with_a_memory_is_traced_step_by_step():
    """Its cell has no forward over a whole sequence; all steps of a block are one."""
    torch.manual_seed(0)
    reader = memnets.TextReader(charset="ab", height=16, cell="ntm", hidden_size=8, slots=4, width=2).eval()
    images, states = torch.rand(2, 1, 16, 24), []
    cell = next(part for part in reader.modules() if isinstance(part, MemoryCell))
    handle = cell.register_forward_hook(lambda module, args, result: states.append(result[1]))
    with memnets.trace(reader) as trace, torch.no_grad():
        reader.read(images, torch.tensor([24, 24]))
    handle.remove()
    assert len(states) > 1
    for name in ("memory", "read_weights", "write_weights"):
        assert_close(trace[name], torch.stack([getattr(state.memory, name) for state in states], 1))
    assert_close(trace["reads"].flatten(2), torch.stack([state.reads for state in states], 1))
    assert trace["lengths"].tolist() == [len(states)] * 2
    assert not cell.memory._forward_hooks


def read_batches_of_one_and_of_two(reader, then=None):
    with memnets.trace(reader):
        for count in (1, 2):
            reader.read(torch.rand(count, 1, 16, 24), torch.full((count,), 24))
        if then is not None:
            raise then


def test_a_decoders_batch_stays_the_same():
    reader = memnets.TextReader(charset="ab", height=16, cell="ntm", hidden_size=8).eval()
    remedy = r"steps of different batch sizes \[1, 2\] were traced together: trace one call"
    with pytest.raises(ValueError, match=remedy):
        read_batches_of_one_and_of_two(reader)
    with pytest.raises(RuntimeError, match="of the user"):
        read_batches_of_one_and_of_two(reader, RuntimeError("of the user"))


def test_calls_that_do_not_join():
    module = MEMORIES[0].make()
    with memnets.trace(module) as trace:
        module(sequences(batch=2))
        module(sequences(batch=3))
    with pytest.raises(ValueError, match=r"different batch sizes \[2, 3\] were traced together"):
        trace["memory"]
    with memnets.trace(module) as trace:
        module(sequences())
        module.resize(9)
        module(sequences())
    with pytest.raises(ValueError, match="the memory was resized between the traced calls"):
        trace["memory"]


def test_sequences_of_several_lengths_that_start_afresh():
    """Each is traced as it is alone."""
    module = memnets.NTM(3, 8, slots=5, width=4)
    inputs, lengths = torch.randn(4, 9, 3), [9, 3, 0, 6]
    resets = torch.rand(4, 9, generator=torch.Generator().manual_seed(1)) < 0.3
    with memnets.trace(module) as together:
        module(inputs, lengths=lengths, resets=resets)
    for b, length in enumerate(lengths):
        if length:
            with memnets.trace(module) as alone:
                module(inputs[b : b + 1, :length], resets=resets[b : b + 1, :length])
            for name in ("write_weights", "memory", "reads"):
                torch.testing.assert_close(together[name][b, :length], alone[name][0])
