"""What a training step draws: the cap of its curriculum, and randomness from (seed, stream, step) alone."""

import itertools
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_cases import alike
from memnets_tasks import AssociativeRecall, Copy, Curriculum, Growing, Uniform, generator


class TestUniform:
    def test_the_tasks_own_range_from_the_first_step(self):
        assert [Uniform().max_length(step, Copy(max_length=13)) for step in (0, 1, 10**6)] == [13] * 3

    def test_negative_step(self):
        with pytest.raises(ValueError, match="step is -1; give a whole number of at least 0"):
            Uniform().max_length(-1, Copy())


class TestGrowing:
    def test_by_hand(self):
        growing, task = Growing(start=2, steps=10), Copy(max_length=7)
        caps = [growing.max_length(step, task) for step in range(13)]
        assert caps == [2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7]

    @settings(deadline=None)
    @given(st.integers(2, 40), st.integers(0, 60), st.integers(1, 200))
    def test_it_advances_through_every_length_to_the_tasks_own(self, start, more, steps):
        growing, task = Growing(start=start, steps=steps), Copy(min_length=2, max_length=start + more)
        caps = [growing.max_length(step, task) for step in range(steps + 3)]
        assert caps[0] == start
        assert caps[steps:] == [task.max_length] * 3
        assert all(later >= earlier for earlier, later in itertools.pairwise(caps))
        for step, cap in enumerate(caps[:steps]):
            line = start + more * step / steps
            assert line - 1 < cap <= line + 1e-9

    def test_the_lengths_drawn_grow_with_it(self):
        growing, task = Growing(start=3, steps=100), Copy()
        longest = []
        for step in (0, 50, 100, 1000):
            lengths = task.sample_lengths(500, generator(0, "train", step), max_length=growing.max_length(step, task))
            assert lengths.min() == 1, "short sequences stay in the mix"
            longest.append(lengths.max().item())
        assert longest == [3, 11, 20, 20]

    def test_it_holds_no_state(self):
        growing, task = Growing(start=1, steps=20), Copy()
        forwards = [growing.max_length(step, task) for step in range(25)]
        backwards = [growing.max_length(step, task) for step in reversed(range(25))]
        assert forwards == backwards[::-1]

    @pytest.mark.parametrize(
        ("start", "task", "message"),
        [
            (21, Copy(), "start is 21, but the task trains on lengths 1 to 20 vectors; give a start"),
            (1, AssociativeRecall(), "start is 1, but the task trains on lengths 2 to 6 items; give a start"),
        ],
    )
    def test_start_outside_the_task(self, start, task, message):
        with pytest.raises(ValueError, match=message):
            Growing(start=start, steps=5).max_length(0, task)

    def test_bad_arguments(self):
        with pytest.raises(ValueError, match="start is 0; give a whole number of at least 1"):
            Growing(start=0, steps=5)
        with pytest.raises(ValueError, match="steps is 0; give a whole number of at least 1"):
            Growing(start=1, steps=0)
        with pytest.raises(ValueError, match="step is -3; give a whole number of at least 0"):
            Growing(start=1, steps=5).max_length(-3, Copy())


def test_curriculum_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Curriculum()


def draw(seed: int, stream: str, step: int) -> list[float]:
    return torch.rand(4, generator=generator(seed, stream, step)).tolist()


class TestGenerator:
    def test_same_arguments_same_numbers(self):
        first = draw(3, "train", 17)
        torch.manual_seed(99)
        draw(4, "train", 17)
        assert draw(3, "train", 17) == first

    def test_same_numbers_in_another_process(self):
        code = "import torch; from memnets_tasks import generator as g; print(g(3, 'train', 17).initial_seed())"
        printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert int(printed.stdout) == generator(3, "train", 17).initial_seed()

    def test_the_mixture_is_fixed(self):
        # Resuming a run after an upgrade must draw the batches it would have drawn: this value never changes.
        assert generator(3, "train", 17).initial_seed() == 3784155331290910821

    def test_every_argument_counts(self):
        arguments = list(itertools.product(range(12), ("train", "validation", ""), range(40)))
        arguments += [(2**32, "train", 0), (2**40 + 1, "train", 0), (0, "train", 2**32), (0, "train", 2**40)]
        drawn = {tuple(draw(*argument)) for argument in arguments}
        assert len(drawn) == len(arguments)

    def test_swapped_seed_and_step_differ(self):
        assert draw(5, "train", 6) != draw(6, "train", 5)

    def test_numbers_of_neighbouring_steps_are_uniform(self):
        first = torch.tensor([draw(0, "train", step)[0] for step in range(1000)])
        assert abs(first.mean() - 0.5) < 5 * (1 / 12 / 1000) ** 0.5
        assert abs(torch.corrcoef(torch.stack([first[1:], first[:-1]]))[0, 1]) < 5 / 1000**0.5

    def test_does_not_touch_the_global_generator(self):
        before = torch.get_rng_state()
        draw(1, "train", 1)
        assert torch.equal(before, torch.get_rng_state())

    @pytest.mark.parametrize(("seed", "step", "name"), [(-1, 0, "seed"), (0, -1, "step")])
    def test_negative(self, seed, step, name):
        with pytest.raises(ValueError, match=f"{name} is -1; give a whole number of at least 0"):
            generator(seed, "train", step)


def test_a_training_batch_is_a_function_of_seed_and_step():
    task, curriculum = Copy(), Growing(start=2, steps=50)

    def batch(seed, step):
        random = generator(seed, "train", step)
        lengths = task.sample_lengths(8, random, max_length=curriculum.max_length(step, task))
        return task.sample(8, lengths, random)

    whole_run = [batch(1, step) for step in range(6)]
    resumed = [batch(1, step) for step in range(3, 6)]
    for expected, got in zip(whole_run[3:], resumed):
        assert alike(expected, got)
    assert len({str(b.inputs.tolist()) for b in (*whole_run, batch(2, 0))}) == 7
