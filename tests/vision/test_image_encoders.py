"""Encoders of whole images: what each is made of, that gradients come through, and classifiers that learn."""

import importlib.util

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import memnets
from memnets.vision import VGG, AlexNet, Inception, LeNet5, ResNet, TimmEncoder
from memnets.vision.image_encoder import ACTIVATIONS
from memnets.vision.inception import InceptionModule
from memnets.vision.resnet import ResidualBlock
from memnets_tasks import Copy, DigitClasses, generator

ENCODERS = {
    "lenet5": LeNet5,
    "alexnet": AlexNet,
    "vgg": VGG,
    "inception": Inception,
    "resnet": lambda *size, **more: ResNet(*size, depth=8, maps=4, **more),
    "plain": lambda *size, **more: ResNet(*size, depth=8, maps=4, shortcuts=False, **more),
    "bottleneck": lambda *size, **more: ResNet(*size, depth=11, maps=4, bottleneck=True, **more),
}


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("name", "activation"), [*zip(ENCODERS, [*ACTIVATIONS, *ACTIVATIONS])])
def test_vectors_and_gradients_of_the_first_layer(name, activation):
    torch.manual_seed(0)
    encoder = ENCODERS[name](2, 8, 12, activation=activation)
    vectors = encoder(torch.rand(3, 2, 8, 12))
    assert vectors.shape == (3, encoder.output_size)
    vectors.square().sum().backward()
    first = next(part for part in encoder.modules() if isinstance(part, nn.Conv2d))
    assert first.weight.grad.isfinite().all()
    assert first.weight.grad.abs().sum() > 0
    kinds = {type(part) for part in encoder.modules()} & set(ACTIVATIONS.values())
    assert kinds == {ACTIVATIONS[activation]}


def test_cells_are_means():
    torch.manual_seed(0)
    coarse, fine = VGG(1, 16, 24, maps=[2, 3], cell=2).eval(), VGG(1, 8, 12, maps=[2, 3]).eval()
    for part, other in zip(fine.parameters(), coarse.parameters(), strict=True):
        part.data.copy_(other)
    means = torch.rand(2, 1, 8, 12)
    apart = 0.1 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(8, 12)  # nothing in the mean of a cell
    images = means.repeat_interleave(2, 2).repeat_interleave(2, 3) + apart
    assert_close(coarse(images), fine(means))


def test_a_shortcut_adds_what_came_in_and_costs_no_parameter():
    torch.manual_seed(0)
    block = ResidualBlock(3, 5, 2, shortcut=True, bottleneck=False).eval()
    maps = torch.rand(2, 3, 6, 6)
    wanted = block.residual(maps)
    wanted[:, :3] += maps[:, :, ::2, ::2]
    assert_close(block(maps), F.relu(wanted))
    plain = ResidualBlock(3, 5, 2, shortcut=False, bottleneck=False).eval()
    plain.load_state_dict(block.state_dict())
    assert_close(plain(maps), F.relu(block.residual(maps)))
    assert parameters(ResNet(depth=14)) == parameters(ResNet(depth=14, shortcuts=False))
    kernels = [part.kernel_size for part in ResidualBlock(16, 16, 1, shortcut=True, bottleneck=True).residual[::3]]
    assert kernels == [(1, 1), (3, 3), (1, 1)]


def test_depth_is_that_of_the_paper():
    for depth, bottleneck in ((8, False), (20, False), (11, True), (29, True)):
        encoder = ResNet(depth=depth, bottleneck=bottleneck)
        assert sum(isinstance(part, nn.Conv2d) for part in encoder.modules()) + 1 == depth


def test_an_inception_module_is_its_paths_side_by_side():
    torch.manual_seed(0)
    module = InceptionModule(3, (2, 4, 6, 1), "relu")
    maps = torch.rand(2, 3, 5, 5)
    wanted = torch.cat([path(maps) for path in module.paths], dim=1)
    assert module(maps).shape == (2, 13, 5, 5)
    assert_close(module(maps), F.relu(wanted))
    widest = [
        max(part.kernel_size[0] for part in path.modules() if isinstance(part, nn.Conv2d)) for path in module.paths
    ]
    assert widest == [1, 3, 5, 1]


def test_the_auxiliary_classifier_is_of_training_alone():
    torch.manual_seed(0)
    task = DigitClasses(size=8)
    batch = task.sample(6, 1, generator(0, "train", 0))
    model = memnets.ImageClassifier(64, 10, encoder=Inception(1, 8, 8), auxiliary_weight=0.5)
    made = model.training_outputs(batch)
    assert_close(made.auxiliary_loss.detach(), 0.5 * made.numbers["auxiliary_loss"])
    made.auxiliary_loss.backward()
    assert model.side_output.weight.grad.any()
    assert model.encoder.stem[0].weight.grad.any()
    assert all(parameter.grad is None for parameter in model.encoder.late.parameters())
    assert model.eval().training_outputs(batch).auxiliary_loss is None
    assert memnets.ImageClassifier(64, 10, encoder=Inception(1, 8, 8), auxiliary_weight=0).side_output is None


def test_digits_of_writers_never_seen_are_told_apart():
    task = DigitClasses(size=8, shift=0)
    torch.manual_seed(0)
    model = memnets.ImageClassifier(64, 10, encoder=ResNet(1, 8, 8, depth=8))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(40):
        batch = task.sample(32, 1, generator(0, "train", step))
        optimizer.zero_grad()
        task.loss(model.training_outputs(batch).outputs, batch).backward()
        optimizer.step()
    (test,) = task.splits().test.batches(360)
    assert task.scores(model.eval().predict(test), test)["accuracy"] > 0.8


def test_padding_changes_nothing_and_a_saved_one_comes_back(tmp_path):
    torch.manual_seed(0)
    model = memnets.ImageClassifier(64, 3, encoder=VGG(1, 8, 8, maps=[4, 4])).eval()
    images = torch.rand(2, 3, 64)
    logits = model(images, lengths=[3, 1])
    assert_close(logits[1, :1], model(images[1:, :1])[0])
    assert not logits[1, 1:].any()
    folder = model.save_pretrained(tmp_path)
    again = memnets.ImageClassifier.from_pretrained(folder, encoder=VGG(1, 8, 8, maps=[4, 4]))
    assert_close(again(images, lengths=[3, 1]), logits)


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
def test_an_encoder_of_timm():
    model = memnets.ImageClassifier(32 * 32, 10, encoder=TimmEncoder("resnet18"))
    assert model(torch.rand(1, 2, 1024)).shape == (1, 2, 10)
    with pytest.raises(ValueError, match="timm has no model 'resnet1'"):
        TimmEncoder("resnet1")


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")
def test_where_timm_is_not_installed_the_remedy_is_named():
    with pytest.raises(ImportError, match=r"'resnet18' needs timm.*pip install timm"):
        TimmEncoder("resnet18")


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: ResNet(depth=9), ValueError, "depth is 9, but must be 2 more than a multiple of 6: give 8"),
        (lambda: ResNet(depth=21, bottleneck=True), ValueError, "multiple of 9: give 20"),
        (lambda: LeNet5(1, 3, 8), ValueError, "height is 3, but must be at least 4"),
        (lambda: VGG(maps=[]), ValueError, "maps is empty"),
        (lambda: VGG(dropout=2), ValueError, "dropout is 2, but must lie within 0..1"),
        (lambda: VGG(1, 16, 24, cell=5), ValueError, "cell is 5, but images are 16 x 24 pixels"),
        (lambda: AlexNet(activation="gelu"), ValueError, "activation is 'gelu', but must be one of relu, tanh"),
        (lambda: LeNet5().with_side(torch.rand(1, 1, 16, 16)), NotImplementedError, "no auxiliary classifier"),
        (lambda: memnets.ImageClassifier(10, 2), ValueError, "input_size is 10, which is no frame"),
        (lambda: memnets.ImageClassifier(64, 2, encoder=nn.Flatten()), ValueError, "Flatten has no output_size"),
        (
            lambda: memnets.ImageClassifier(64, 2, encoder=nn.Flatten(), feature_size=9)(torch.rand(1, 1, 64)),
            ValueError,
            "gives 64 numbers an image, but says 9",
        ),
        (lambda: memnets.ImageClassifier(64, 8).check_task(Copy()), ValueError, "input_size is 64, but Copy needs 9"),
    ],
)
def test_what_does_not_fit_is_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
