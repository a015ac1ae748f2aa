"""What a checkpoint says of a training is looked at before training goes on with it."""

import copy
import io
import warnings

import pytest
import torch
from torch.optim import lr_scheduler

from memnets.base.kinds import taken_back
from memnets.training.saved_state import find_fault

OPTIMIZERS = [
    *(
        torch.optim.SGD,
        torch.optim.Adam,
        torch.optim.AdamW,
        torch.optim.RMSprop,
        torch.optim.Adagrad,
        torch.optim.Rprop,
    ),
    *(torch.optim.Adadelta, torch.optim.Adamax, torch.optim.ASGD, torch.optim.NAdam, torch.optim.RAdam),
    torch.optim.Adafactor,
]
SCHEDULERS = {
    lr_scheduler.StepLR: {"step_size": 2},
    lr_scheduler.MultiStepLR: {"milestones": [1, 3]},
    lr_scheduler.ExponentialLR: {"gamma": 0.9},
    lr_scheduler.CosineAnnealingLR: {"T_max": 5},
    lr_scheduler.CosineAnnealingWarmRestarts: {"T_0": 2},
    lr_scheduler.OneCycleLR: {"max_lr": 0.1, "total_steps": 9, "cycle_momentum": False},
    lr_scheduler.CyclicLR: {"base_lr": 0.1, "max_lr": 0.2, "cycle_momentum": False},
    lr_scheduler.ReduceLROnPlateau: {},
    lr_scheduler.LambdaLR: {"lr_lambda": lambda step: 1.0},
    lr_scheduler.PolynomialLR: {},
}


def made(kind, scheduler=None, **settings):
    torch.manual_seed(0)
    optimizer = kind([torch.nn.Parameter(torch.randn(shape)) for shape in ((3, 4), (3,), (2,))], lr=0.1)
    return optimizer, scheduler and scheduler(optimizer, **settings)


def saved(optimizer, scheduler=None, steps=2):
    """A checkpoint after some steps, as it is read from a file."""
    for _ in range(steps):
        for parameter in optimizer.param_groups[0]["params"]:
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
        if scheduler is not None:
            scheduler.step(*([1.0] if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) else []))
    counts = {"batches": 2, "seconds": 1.0, "validation_error": 0.5, "last_numbers": {}}
    content = {
        "memnets": counts | {"random": {"cpu": torch.get_rng_state(), "cuda": []}},
        **{"epoch": 0, "global_step": 2, "pytorch-lightning_version": "2.5.0", "loops": {}, "callbacks": {}},
        **{"state_dict": {}, "optimizer_states": [optimizer.state_dict()]},
        "lr_schedulers": [] if scheduler is None else [scheduler.state_dict()],
    }
    file = io.BytesIO()
    torch.save(content, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_what_an_optimizer_saved_is_taken_back(kind):
    for steps in (0, 2):
        assert find_fault(saved(*made(kind), steps=steps), *made(kind)) is None


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_what_a_scheduler_saved_is_taken_back(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = saved(*made(torch.optim.SGD, kind, **SCHEDULERS[kind]))
        assert find_fault(found, *made(torch.optim.SGD, kind, **SCHEDULERS[kind])) is None


WRONG = {
    "global_step": [None, "1", {1, 2}, torch.zeros(3)],
    "memnets": [[], {}],
    "memnets.batches": [1.5, 2**70],
    "memnets.random.cpu": [torch.zeros(5), torch.zeros(5056, dtype=torch.uint8)],
    "optimizer_states": [[], {}, [{}], [1, 2]],
    "optimizer_states.0.state.0": [None, 1.0],
    "optimizer_states.0.state.2": [{"step": torch.ones(())}],
    "optimizer_states.0.state.0.exp_avg": ["x", torch.zeros(2), torch.zeros(3, 4) * 1j, torch.zeros(3, 4).to_sparse()],
    "optimizer_states.0.state.1.step": ["", [], torch.zeros(2, 2)],
    "optimizer_states.0.param_groups": ["x", [], [{}]],
    "optimizer_states.0.param_groups.0.params": [[0], [0, 0, 1], [0, True, 1], ["x", 1, 2]],
    "optimizer_states.0.param_groups.0.lr": [None, "\x1b[31m", []],
    "optimizer_states.0.param_groups.0.betas": [0.9, [0.9], [0.9, "x"]],
    "lr_schedulers": [[], [{}, {}], torch.zeros(1)],
    "lr_schedulers.0.step": [1],
    "lr_schedulers.0.last_epoch": [None, "x", []],
}  # fmt: skip


@pytest.mark.parametrize("key", WRONG)
def test_what_is_damaged_is_named(key):
    settings = (torch.optim.Adam, lr_scheduler.StepLR)
    sound = saved(*made(*settings, step_size=2))
    *above, last = (int(step) if step.isdigit() else step for step in key.split("."))
    for value in WRONG[key]:
        found = copy.deepcopy(sound)
        part = found
        for step in above:
            part = part[step]
        part[last] = value
        fault = find_fault(found, *made(*settings, step_size=2))
        assert fault is not None, value
        assert fault.isprintable()


def test_nothing_but_what_was_saved_is_taken_back():
    kinds, own = {"count": int, "names": [str]}, {"count": 1, "names": ["a"]}
    assert taken_back({"count": 5, "run": 3, 7: 8}, kinds, own) == {"count": 5, "names": ["a"]}
    for wrong in ({"count": "x"}, {"names": [1]}, [], "count"):
        with pytest.raises(ValueError, match=r"kind|mapping"):
            taken_back(wrong, kinds, own)
