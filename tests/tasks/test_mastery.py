"""Curricula that hold one length, that look at the errors, and that are mixed."""

import json

import pytest
import torch

from memnets_tasks import AssociativeRecall, Copy, Fixed, Growing, Mastery, Mixture, Uniform


def errors(mean: float, count: int = 8) -> torch.Tensor:
    return torch.full((count,), mean)


class TestFixed:
    def test_one_length_at_every_step(self):
        assert [Fixed(length=7).max_length(step, Copy()) for step in (0, 5, 10**6)] == [7] * 3

    def test_a_length_outside_the_task(self):
        with pytest.raises(ValueError, match="length is 1, but the task trains on lengths 2 to 6 items; give a length"):
            Fixed(length=1).max_length(0, AssociativeRecall())


class TestMastery:
    def test_it_rises_once_the_window_is_full_and_mastered(self):
        mastery, task = Mastery(start=3, bound=0.5, window=16, stride=2), Copy(max_length=8)
        caps = []
        for mean in (0.4, 0.4, 0.4, 0.6, 0.39, 0.4, 0.5, 0.0, 0.0, 0.0):
            caps.append(mastery.max_length(len(caps), task))
            mastery.observe(errors(mean))
        # 0.4 0.4 masters; 0.4 0.6 does not, 0.6 0.39 does, just; 0.4 0.5 does; 0 0 does; the cap is the task's at last
        assert caps == [3, 3, 5, 5, 5, 7, 7, 8, 8, 8]

    def test_errors_at_the_bound_are_not_below_it(self):
        mastery = Mastery(start=1, bound=0.5, window=8)
        mastery.observe(errors(0.5))
        assert mastery.rises == 0

    def test_old_errors_are_forgotten(self):
        mastery = Mastery(start=1, bound=0.1, window=16)
        for mean in (9.0, 0.0):
            mastery.observe(errors(mean))
        assert mastery.rises == 0
        mastery.observe(errors(0.0))
        assert mastery.rises == 1

    def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(self):
        task = Copy()
        history = [0.0, 0.3, 0.0, 0.05, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0]
        for stopped in range(len(history)):
            whole, first = (Mastery(start=1, bound=0.1, window=24) for _ in range(2))
            for mean in history:
                whole.observe(errors(mean))
            for mean in history[:stopped]:
                first.observe(errors(mean))
            resumed = Mastery(start=1, bound=0.1, window=24)
            resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
            for mean in history[stopped:]:
                resumed.observe(errors(mean))
            assert resumed.max_length(0, task) == whole.max_length(0, task) > 1
            assert resumed.state_dict() == whole.state_dict()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"start": 0}, "start is 0"),
            ({"start": 1, "bound": 0.0}, "bound is 0.0; give more than 0"),
            ({"start": 1, "window": 0}, "window is 0"),
            ({"start": 1, "stride": 0}, "stride is 0"),
        ],
    )
    def test_bad_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            Mastery(**arguments)

    def test_a_start_outside_the_task(self):
        with pytest.raises(ValueError, match="start is 21, but the task trains on lengths 1 to 20 vectors"):
            Mastery(start=21).max_length(0, Copy())


class TestMixture:
    def test_each_is_followed_by_its_share_and_by_the_step_alone(self):
        mixture, task = Mixture([Fixed(length=2), Uniform()], shares=[3, 1]), Copy()
        caps = [mixture.max_length(step, task) for step in range(2000)]
        assert set(caps) == {2, 20}
        assert abs(caps.count(2) - 1500) < 5 * (2000 * 0.75 * 0.25) ** 0.5
        assert caps[1000:1100] == [mixture.max_length(step, task) for step in range(1000, 1100)]

    def test_errors_go_to_the_curriculum_they_belong_to(self):
        mastery = Mastery(start=2, bound=0.1, window=8)
        mixture, task = Mixture([mastery, Uniform()]), Copy()
        for step in range(40):
            cap, before = mixture.max_length(step, task), mastery.rises
            mixture.observe(errors(0.0))
            assert mastery.rises == min(before + (cap != 20), 18) or cap == 20
        assert mastery.rises >= 10

    def test_the_states_of_all(self):
        mixture, other = (Mixture([Mastery(start=1, window=8), Growing(start=1, steps=5)]) for _ in range(2))
        mixture.curricula[0].observe(errors(0.0))
        other.load_state_dict(json.loads(json.dumps(mixture.state_dict())))
        assert other.curricula[0].max_length(0, Copy()) == 2

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: Mixture([]), "curricula is empty"),
            (lambda: Mixture([Uniform()], shares=[1, 2]), r"shares is \[1, 2\]; give one above 0"),
            (lambda: Mixture([Uniform(), Uniform()], shares=[1, 0]), r"shares is \[1, 0\]"),
        ],
    )
    def test_bad_arguments(self, make, message):
        with pytest.raises(ValueError, match=message):
            make()


def test_a_curriculum_of_the_step_alone_has_no_state():
    growing = Growing(start=1, steps=5)
    growing.observe(errors(0.0))
    assert growing.state_dict() == {}
    growing.load_state_dict({})
