"""Saving to a folder and loading back: bitwise, without pickle, all or nothing."""

import errno
import inspect
import json
import os
import time
from typing import get_type_hints

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import memnets
import memnets.vision
from cases import BASELINES, sequences
from memnets.models.memory_network import NetworkOptions

MODELS = {
    "ntm": lambda: memnets.NTM(
        3, 5, output_size=2, slots=6, width=4, read_heads=2, write_heads=2, shift_range=2, controller="gru",
        num_layers=2, truncated_bptt_steps=3, check_finite=True, backend="reference",
    ),
    "ntm-default": lambda: memnets.NTM(3, 5),
    **{kind.__name__: lambda kind=kind: kind(3, 5, output_size=2, num_layers=2) for kind in BASELINES},
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_round_trip_is_bitwise(name, dtype, tmp_path):
    model = MODELS[name]().to(dtype).train()
    assert model.save_pretrained(tmp_path / "deep" / "model") == tmp_path / "deep" / "model"
    loaded = type(model).from_pretrained(str(tmp_path / "deep" / "model"))
    assert type(loaded) is type(model)
    assert loaded.config == model.config
    assert not loaded.training
    state, expected = loaded.state_dict(), model.state_dict()
    assert list(state) == list(expected)
    for key, tensor in expected.items():
        assert state[key].dtype == dtype
        assert torch.equal(state[key], tensor)
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    if dtype == torch.float32:
        inputs = sequences(dtype=dtype)
        assert torch.equal(loaded(inputs)[0], model(inputs)[0])


def test_every_argument_is_saved():
    """An argument missing from ``config`` would come back as its default."""
    for kind in (memnets.NTM, *BASELINES):
        arguments = set(inspect.signature(kind).parameters) - {"options"}
        if kind is memnets.NTM:
            arguments |= set(get_type_hints(NetworkOptions))
        assert set(kind(3, 5).config) == arguments - {"device", "dtype"}, kind.__name__


def test_the_files_need_no_pickle(tmp_path):
    model = MODELS["ntm"]()
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert json.loads((tmp_path / "config.json").read_text()) == {"class": "NTM", **model.config}
    assert set(load_file(tmp_path / "model.safetensors")) == set(model.state_dict())


def test_saving_again_replaces(tmp_path):
    MODELS["ntm"]().save_pretrained(tmp_path)
    model = memnets.LSTM(3, 7)
    model.save_pretrained(tmp_path)
    assert torch.equal(memnets.LSTM.from_pretrained(tmp_path).layer.weight_hh_l0, model.layer.weight_hh_l0)


def test_slots_and_backend_can_be_changed_when_loading(tmp_path):
    model = MODELS["ntm"]()
    model.save_pretrained(tmp_path)
    loaded = memnets.NTM.from_pretrained(tmp_path, slots=40, backend="auto")
    assert loaded.config == {**model.config, "slots": 40, "backend": "auto"}
    inputs = sequences(dtype=torch.float32)
    torch.testing.assert_close(loaded(inputs)[0], model.resize(40)(inputs)[0])


def test_a_resized_model_keeps_its_size(tmp_path):
    MODELS["ntm"]().resize(17).save_pretrained(tmp_path)
    assert memnets.NTM.from_pretrained(tmp_path).cell.memory.slots == 17


def test_an_override_that_weights_depend_on(tmp_path):
    MODELS["ntm"]().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"does not fit: .* is \(\d+, \d+\) there and"):
        memnets.NTM.from_pretrained(tmp_path, width=9)


@pytest.mark.parametrize("kind", BASELINES)
def test_whole_numbers_of_numpy_are_sizes(kind, tmp_path):
    """Also where torch's own layer takes Python's alone."""
    three, two = np.int64(3), np.int32(2)
    module = kind(three, two, num_layers=two)
    module.save_pretrained(tmp_path)
    again = kind.from_pretrained(tmp_path)
    assert [p.shape for p in again.parameters()] == [p.shape for p in kind(3, 2, num_layers=2).parameters()]


def test_sizes_of_an_encoder_of_columns_may_be_numpys():
    sizes = np.array([4, 6, 32])
    reader = memnets.TextReader(charset="ab", recurrent_size=sizes[0], hidden_size=sizes[1], height=sizes[2])
    assert reader.encoder.join.in_features == 8
    assert memnets.vision.ColumnEncoder(pixels_per_column=sizes[0]).pixels_per_column == 4


def test_a_size_is_named_as_it_was_given():
    """And not with what a memory reads added to it."""
    with pytest.raises(ValueError, match=r"input_size is -2, but must be at least 1"):
        memnets.NTM(-2, 5)


def test_an_unknown_argument(tmp_path):
    MODELS["ntm"]().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"NTM has no argument 'slotz'; it has input_size, hidden_size, .*slots"):
        memnets.NTM.from_pretrained(tmp_path, slotz=9)


def test_another_class(tmp_path):
    MODELS["ntm"]().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"holds a NTM, not a LSTM: load it with NTM.from_pretrained"):
        memnets.LSTM.from_pretrained(tmp_path)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_missing_file(missing, tmp_path):
    MODELS["ntm"]().save_pretrained(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {missing}: was it written by save_pretrained"):
        memnets.NTM.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere holds no config.json"):
        memnets.NTM.from_pretrained(tmp_path / "nowhere")


def test_the_target_is_a_file(tmp_path):
    target = tmp_path / "model"
    target.write_text("kept")
    with pytest.raises(NotADirectoryError, match="model is a file, but save_pretrained needs a folder"):
        MODELS["ntm"]().save_pretrained(target)
    assert target.read_text() == "kept"


class Full:
    """Stands in for a file on a disk that has no room: the n-th file is written by half, then fails."""

    def __init__(self, failing):
        self.failing, self.opened, self.real = failing, 0, os.fdopen

    def __call__(self, *args, **kwargs):
        self.opened += 1
        file = self.real(*args, **kwargs)
        if self.opened == self.failing:
            write = file.write

            class Half:
                def __enter__(self):
                    return self

                def __exit__(self, *exception):
                    file.close()

                def write(self, data):
                    write(data[: len(data) // 2])
                    raise OSError(errno.ENOSPC, "No space left on device")

            return Half()
        return file


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("existing", [False, True])
def test_nothing_half_written_when_the_disk_is_full(failing, existing, tmp_path, monkeypatch):
    if existing:
        MODELS["ntm"]().save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", Full(failing))
        with pytest.raises(OSError, match="No space left on device"):
            memnets.LSTM(3, 5).save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    memnets.LSTM(3, 5).save_pretrained(tmp_path)
    memnets.LSTM.from_pretrained(tmp_path)


def test_precision_and_device_are_not_saved_but_can_be_asked_for(tmp_path):
    memnets.NTM(3, 4, slots=4, width=3, dtype=torch.float64, device="cpu").save_pretrained(tmp_path)
    assert next(memnets.NTM.from_pretrained(tmp_path).parameters()).dtype == torch.float64
    single = memnets.NTM.from_pretrained(tmp_path, dtype=torch.float32, device="cpu")
    assert next(single.parameters()).dtype == torch.float32


def changed(**arguments):
    return json.dumps({"class": "NTM", **memnets.NTM(3, 4, slots=5, width=2).config, **arguments})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[]", "is damaged: config.json holds a list, not a mapping"),
        ("null", "is damaged: config.json holds a NoneType"),
        ("[" * 100_000, "is damaged: config.json is nested too deep"),
        ('{"class": "NTM", "hidden_size": ' + "9" * 5000 + "}", "is damaged: Exceeds the limit"),
        (changed(num_layers=10**7), "ask for many more parts than it has weights for"),
        (changed(hidden_size=10**9), "holds arguments with which nothing can be made"),
        (changed(hidden_size=10**5), "does not fit"),
        (changed(gate_bias="x"), "gate_bias is 'x', but must be a number"),
        (changed(no_such=1), "has no argument 'no_such'"),
    ],
)
def test_a_strangers_configuration_is_one_line(config, message, tmp_path):
    """And takes neither memory nor time, whatever sizes it names."""
    memnets.NTM(3, 4, slots=5, width=2).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises((ValueError, TypeError)) as caught:
        memnets.NTM.from_pretrained(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn])
def test_weights_of_another_kind_are_refused(dtype, tmp_path):
    model = memnets.NTM(3, 4, slots=5, width=2)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    try:
        save_file({name: tensor.to(dtype) for name, tensor in weights.items()}, tmp_path / "model.safetensors")
    except KeyError:
        pytest.skip(f"this version of safetensors writes no {dtype}")
    with pytest.raises(ValueError, match=f"is {dtype} there and torch.float32 in a NTM"):
        memnets.NTM.from_pretrained(tmp_path)


def test_loading_leaves_random_numbers_as_they_were_or_draws_as_a_new_module_does(tmp_path):
    model = memnets.NTM(3, 4, slots=5, width=2)
    model.save_pretrained(tmp_path)
    torch.manual_seed(0)
    memnets.NTM(3, 4, slots=5, width=2)
    want = torch.rand(3)
    torch.manual_seed(0)
    memnets.NTM.from_pretrained(tmp_path)
    assert torch.equal(torch.rand(3), want)


def test_what_a_killed_save_left_goes_with_the_next_an_hour_later(tmp_path):
    model = memnets.NTM(3, 4, slots=5, width=2)
    for name, age in (
        (".model.safetensors.ab12_xyz.tmp", 4000),
        (".config.json.ab12_xyz.tmp", 5),
        (".a.b2345678.tmp", 4000),
    ):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    model.save_pretrained(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("."))
    assert left == [".a.b2345678.tmp", ".config.json.ab12_xyz.tmp"]
