"""Encoders: sizes, padding that changes nothing, batch statistics without padding, modules held still."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from memnets.vision.base import encode_line
from memnets.vision.blocks import ConvBlock, put_pixels, take_pixels
from memnets.vision.columns import ColumnEncoder
from memnets.vision.freezing import freeze
from memnets.vision.grid import GridEncoder

KINDS = {
    "vgg": {"channels": (4, 6)},
    "resnet": {"channels": (4, 6), "residual": True},
    "bilstm": {"channels": (4,), "recurrent_size": 5, "pixels_per_column": 2},
    "8 pixels": {"channels": (4, 4, 4), "pixels_per_column": 8},
}


def unsettled(module):
    """Batch normalisation with statistics and biases that make padding visible if it is let through."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            nn.init.normal_(part.bias)
    return module


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 999), widths=st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_padding_never_changes_a_column(kind, seed, widths):
    torch.manual_seed(seed)
    encoder = unsettled(ColumnEncoder(height=9, output_size=7, **KINDS[kind])).eval()
    images = torch.randn(len(widths), 1, 9, max(widths) + seed % 13)
    features, counts = encoder(images, torch.tensor(widths))
    assert features.shape == (len(widths), -(-images.shape[3] // encoder.pixels_per_column), 7)
    for b, width in enumerate(widths):
        alone, count = encoder(images[b : b + 1, :, :, :width], torch.tensor([width]))
        assert count.item() == counts[b] == -(-width // encoder.pixels_per_column)
        torch.testing.assert_close(features[b, : counts[b]], alone[0], atol=1e-5, rtol=1e-5)
        assert not features[b, counts[b] :].any()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_neither_training_statistics_nor_gradients(kind):
    wide, narrow = (ColumnEncoder(height=9, output_size=7, **KINDS[kind]) for _ in range(2))
    narrow.load_state_dict(wide.state_dict())
    images, widths = torch.randn(2, 1, 9, 24), torch.tensor([24, 17])
    padded = torch.cat([images, torch.full((2, 1, 9, 30), 5.0)], 3)
    (wide(padded, widths).features[:, :3] ** 2).sum().backward()
    (narrow(images, widths).features[:, :3] ** 2).sum().backward()
    for (name, one), two in zip(wide.named_buffers(), narrow.buffers()):
        torch.testing.assert_close(one, two, msg=name)
    for (name, one), two in zip(wide.named_parameters(), narrow.parameters()):
        torch.testing.assert_close(one.grad, two.grad, atol=1e-4, rtol=1e-4, msg=name)


def only_normalising(size):
    """A block whose convolution gives back what it takes."""
    block = unsettled(ConvBlock(size, size))
    nn.init.dirac_(block.convolutions[0].weight)
    return block


def test_a_block_against_numpy():
    block = only_normalising(3).double()
    norm = block.norms[0]
    mask = torch.arange(6) < torch.tensor([[6], [3], [1], [4]])
    x = torch.randn(4, 3, 5, 6, dtype=torch.float64)
    mean, variance = norm.running_mean.numpy().copy(), norm.running_var.numpy().copy()
    result = block(x, mask).detach().numpy()
    weight, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    for c in range(3):
        values = np.concatenate([x[b, c][:, mask[b]].numpy().ravel() for b in range(4)])
        expected = (x[:, c].numpy() - values.mean()) / np.sqrt(values.var() + norm.eps) * weight[c] + bias[c]
        np.testing.assert_allclose(result[:, c], np.maximum(expected, 0) * mask[:, None].numpy(), atol=1e-12)
        np.testing.assert_allclose(norm.running_mean[c], 0.9 * mean[c] + 0.1 * values.mean())
        np.testing.assert_allclose(norm.running_var[c], 0.9 * variance[c] + 0.1 * values.var(ddof=1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow_where_the_pixels_are_many(dtype):
    """16 x 32 x 200 pixels are more than float16 can count."""
    mask = torch.arange(200) < torch.tensor([200, 100] * 8).unsqueeze(1)
    maps = (torch.randn(16, 2, 32, 200) * 3 + 5).to(dtype) * mask[:, None, None]
    valid = mask.unsqueeze(1).expand(-1, 32, -1).flatten().nonzero().squeeze(1)
    norm, exact = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    got = put_pixels(norm(take_pixels(maps, valid)), valid, maps)
    expected = put_pixels(exact(take_pixels(maps.float(), valid)), valid, maps)
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), expected, atol=0.02, rtol=0.01)
    torch.testing.assert_close(norm.running_var, exact.running_var, rtol=1e-3, atol=1e-3)


def test_all_pixels_valid_is_as_without_a_mask():
    masked = only_normalising(3)
    plain = copy.deepcopy(masked)
    x = torch.randn(4, 3, 5, 6)
    first = copy.deepcopy(plain)
    torch.testing.assert_close(masked(x, torch.ones(4, 6, dtype=torch.bool)), first(x))
    torch.testing.assert_close(plain(x), plain(x.contiguous(memory_format=torch.channels_last)))
    torch.testing.assert_close(masked.norms[0].running_var, first.norms[0].running_var)
    assert masked.norms[0].num_batches_tracked == 1


@pytest.mark.parametrize("residual", [False, True])
def test_gradients_of_a_block_against_differences(residual):
    block = unsettled(ConvBlock(2, 3, residual=residual)).double()
    mask = torch.arange(4) < torch.tensor([[4], [2]])
    maps = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda maps: block(maps * mask[:, None, None], mask), maps)


def test_transforms_of_torch_go_through_an_encoder():
    """An autograd function of the older kind is refused by them."""
    encoder = unsettled(ColumnEncoder(height=9, output_size=3, channels=(4, 4), residual=True)).eval()
    images, widths = torch.randn(3, 1, 9, 12), torch.tensor([12])
    parameters = {name: part.detach() for name, part in encoder.named_parameters()}

    def loss(parameters, image):
        padded = nn.functional.pad(image, (0, 5))[None]
        return torch.func.functional_call(encoder, parameters, (padded, widths)).features.square().sum()

    gradients = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, images)
    for n, image in enumerate(images):
        encoder.zero_grad()
        loss(dict(encoder.named_parameters()), image).backward()
        for name, part in encoder.named_parameters():
            torch.testing.assert_close(gradients[name][n], part.grad, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16])
def test_widths_in_few_bytes_do_not_overflow(dtype):
    images, widths = torch.rand(1, 1, 9, 255), torch.tensor([255])
    for encoder in (ColumnEncoder(height=9, channels=(4, 4), output_size=3), nn.Conv2d(1, 3, 1)):
        assert encode_line(encoder.eval(), images, widths.to(dtype)).counts.equal(
            encode_line(encoder, images, widths).counts
        )


def test_the_default_encoder_is_small():
    for height, least, most in ((32, 100_000, 1_000_000), (16, 20_000, 100_000)):
        encoder = ColumnEncoder(height=height)
        assert least < sum(p.numel() for p in encoder.parameters()) < most
        assert encoder(torch.rand(1, 1, height, 41), torch.tensor([41])).features.shape == (1, 11, 192)


def test_a_column_sees_nothing_far_from_it():
    """So that content cannot tell where in a line it is."""
    encoder = ColumnEncoder(height=32).eval()
    images = torch.rand(1, 1, 32, 200, requires_grad=True)
    encoder(images, torch.tensor([200])).features[0, 25].sum().backward()
    seen = images.grad[0, 0].abs().sum(0).nonzero().squeeze(1)
    assert 100 - 20 < seen.min() <= seen.max() < 104 + 20


@pytest.mark.parametrize("residual", [False, True])
def test_scenes_become_grids(residual):
    encoder = GridEncoder(channels=(4, 6), output_size=5, residual=residual)
    assert encoder(torch.rand(2, 3, 17, 24)).shape == (2, 5, 5, 6)
    with pytest.raises(ValueError, match=r"images has shape \(2, 1, 8, 8\), but must be \(batch, 3, height, width\)"):
        encoder(torch.rand(2, 1, 8, 8))


def test_a_grid_tells_left_from_right():
    """Convolutions alone give equal things equal features wherever they are."""
    encoder = GridEncoder(channels=(4,)).eval()
    features = encoder(torch.zeros(1, 3, 8, 12))
    assert (features[0, :, 2, 1] - features[0, :, 2, 4]).abs().max() > 0.01
    assert (features[0, :, 1, 3] - features[0, :, 2, 3]).abs().max() > 0.01


class Halves(nn.Module):
    """A foreign encoder: a map of half the size."""

    def __init__(self):
        super().__init__()
        self.convolve = nn.Conv2d(1, 6, 2, stride=2)

    def forward(self, images):
        return self.convolve(images)


def test_any_module_that_gives_maps_serves():
    images, widths = torch.rand(2, 1, 8, 20), torch.tensor([20, 7])
    encoder = Halves()
    features, counts = encode_line(encoder, images, widths)
    assert counts.tolist() == [10, 4]
    torch.testing.assert_close(features[0], encoder(images)[0].mean(1).T)
    assert not features[1, 4:].any()


def test_features_computed_beforehand_serve():
    maps = torch.rand(2, 6, 1, 9)
    features, counts = encode_line(nn.Identity(), maps, torch.tensor([9, 5]))
    assert counts.tolist() == [9, 5]
    torch.testing.assert_close(features[1, :5], maps[1, :, 0, :5].T)


class Wrong(nn.Module):
    def forward(self, images):
        return images.flatten(1)


@pytest.mark.parametrize(
    ("encoder", "shape", "widths", "message"),
    [
        (nn.Identity(), (2, 8, 9), [9, 9], r"images has shape \(2, 8, 9\), but must be \(batch, channels, height, wid"),
        (nn.Identity(), (2, 1, 8, 9), [9], r"widths has shape \(1,\), but must be \(2,\)"),
        (nn.Identity(), (2, 1, 8, 9), [9, 10], r"widths holds 10, but must lie within 1\.\.9"),
        (nn.Identity(), (2, 1, 8, 9), [0, 9], r"widths holds 0, but must lie within 1\.\.9"),
        (nn.Identity(), (2, 1, 8, 9), [True, True], "widths has dtype torch.bool, but must hold integers"),
        (nn.Identity(), (2, 1, 8, 9), [1.0, 2.0], "widths has dtype torch.float32, but must hold integers"),
        (Wrong(), (2, 1, 8, 9), [9, 9], r"Wrong gave \(2, 72\) for 2 images, but must give \(B, D, h, w\)"),
        (ColumnEncoder(height=16), (2, 1, 8, 9), [9, 9], "1 channels and height 8, .* height=16: resize the images"),
    ],
)
def test_what_does_not_fit_is_named(encoder, shape, widths, message):
    with pytest.raises(ValueError, match=message):
        encode_line(encoder, torch.rand(shape), torch.tensor(widths))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pixels_per_column": 3}, "pixels_per_column is 3, but must be a power of 2"),
        ({"channels": (4,), "pixels_per_column": 4}, "at most 2 to the number of stages, 2"),
        ({"channels": ()}, "channels is empty"),
        ({"height": 0}, "height is 0, but must be at least 1"),
        ({"recurrent_size": -1}, "recurrent_size is -1, but must be at least 0"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        ColumnEncoder(**settings)


def test_a_frozen_encoder_says_how_wide_its_columns_are():
    """Columns are taught by boxes at that scale."""
    encoder = ColumnEncoder(channels=(4, 4), height=8, output_size=5, pixels_per_column=2)
    assert (freeze(encoder).pixels_per_column, freeze(encoder).output_size) == (2, 5)


def test_statistics_of_a_frozen_encoder_do_not_drift():
    """In public code ``requires_grad = False`` alone leaves batch normalisation learning."""
    model = nn.Sequential(freeze(ColumnEncoder(height=9, channels=(4,), pixels_per_column=2)), nn.Linear(3, 3))
    frozen = model[0]
    before = copy.deepcopy(frozen.state_dict())
    model.train()
    for _ in range(2):
        encode_line(frozen, torch.rand(2, 1, 9, 12), torch.tensor([12, 6]))
    assert not any(part.training for part in frozen.module.modules())
    assert model[1].training
    for name, tensor in frozen.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert frozen.output_size == 192
    assert freeze(frozen) is frozen
    assert not copy.deepcopy(model).train()[0].module.training
