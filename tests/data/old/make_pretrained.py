"""The folders of ``pretrained/``, each with ``expected.safetensors``: an input, and what memnets 0.1.0 makes of it.

All outputs are computed in float64, so that later versions can be held to many digits. Called by ``make.py``.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import memnets

CHARSET = "abcde"
WORDS = ["a", "red", "blue", "circle", "above"]
SEQUENCES = {
    "ntm-lstm": lambda: memnets.NTM(3, 5, output_size=2, slots=8, width=4),
    "ntm-gru": lambda: memnets.NTM(3, 5, output_size=2, slots=8, width=4, controller="gru"),
    "ntm-rnn": lambda: memnets.NTM(3, 5, slots=8, width=4, controller="rnn", write_heads=2),
    "ntm-feedforward": lambda: memnets.NTM(3, 5, output_size=2, slots=8, width=4, controller="feedforward"),
    "ntm-2-layers": lambda: memnets.NTM(
        3, 5, output_size=2, slots=8, width=4, num_layers=2, read_heads=2, shift_range=2, strength_bias=1.0,
        gate_bias=-1.0, batch_first=False, backend="reference", truncated_bptt_steps=3, checkpoint_every=2,
        check_finite=True,
    ),
    "lstm": lambda: memnets.LSTM(3, 5, output_size=2, num_layers=2),
    "gru": lambda: memnets.GRU(3, 5, output_size=2, batch_first=False),
    "rnn": lambda: memnets.RNN(3, 5, num_layers=2),
}  # fmt: skip


def stir(module: nn.Module) -> Any:
    """Give every parameter some other value than the one it starts with."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(parameter.shape)
    return module


def random(*shape: int, seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def expect_sequences(module: Any) -> dict[str, Tensor]:
    """A batch of two whole, padded, and in two halves; and the last state."""
    inputs, lengths = 2 * random(2, 6, 3, seed=2) - 1, torch.tensor([6, 4])
    if not module.batch_first:
        inputs = inputs.transpose(0, 1).contiguous()
    output, state = module(inputs)
    said = {"inputs": inputs, "lengths": lengths, "output": output, "padded": module(inputs, lengths=lengths)[0]}
    if isinstance(module, memnets.NTM):
        assert isinstance(state.memory, memnets.NTMState)
        said |= {f"state.{name}": value for name, value in state.memory._asdict().items()}
        said["output_16_slots"] = module.resize(16)(inputs)[0]
        module.resize(8)
    else:
        said |= {f"state.{name}": value for name, value in state._asdict().items()}
    return said


def make_sequences(folder: Path) -> None:
    for seed, (name, make) in enumerate(SEQUENCES.items()):
        torch.manual_seed(seed)
        module = stir(make())
        module.save_pretrained(folder / name)
        write(folder / name, expect_sequences(type(module).from_pretrained(folder / name).double()))


def expect_lines(reader: Any, images: Tensor, widths: Tensor) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What two texts score, and what is read in each way."""
    texts = ["abc", "e"]
    output = reader(images, widths, texts)
    said = {"images": images, "widths": widths, "logits": output.logits, "weights": output.weights}
    said |= {"ctc_log_probs": output.ctc_log_probs, "columns": output.columns, "targets": output.targets}
    read: dict[str, list[str]] = {}
    for decode, beam in (("attention", 1), ("ctc", 2), ("joint", 2)):
        found = reader.read(images, widths, decode=decode, beam_size=beam, max_length=5)
        read[decode] = [reading.text for reading in found]
        said[f"confidence.{decode}"] = torch.tensor([reading.confidence for reading in found], dtype=torch.float64)
    return said, {"texts": json.dumps(texts), "read": json.dumps(read)}


def make_readers(folder: Path) -> None:
    """One with its own encoder, saved in bfloat16, and one around features computed beforehand."""
    torch.manual_seed(20)
    sizes = {"charset": CHARSET, "hidden_size": 5, "embedding_size": 4, "attention_size": 4}
    reader = stir(memnets.TextReader(height=8, **sizes))
    reader.train()
    for seed in range(3):  # so that the encoder's statistics are of something
        reader(random(2, 1, 8, 24, seed=seed).float(), torch.tensor([24, 15]), ["ab", "c"])
    reader.bfloat16().save_pretrained(folder / "reader")
    loaded = memnets.TextReader.from_pretrained(folder / "reader").double()
    write(folder / "reader", *expect_lines(loaded, random(2, 1, 8, 24, seed=9), torch.tensor([24, 15])))

    own = {"encoder": nn.Identity(), "feature_size": 3}
    settings = {"attention": "ntm", "cell": "ntm", "slots": 8, "width": 4, "ctc_weight": 0.5, "context_only": True}
    reader = stir(memnets.TextReader(**own, **sizes, **settings))
    reader.save_pretrained(folder / "reader-ntm")
    loaded = memnets.TextReader.from_pretrained(folder / "reader-ntm", **own).double()
    write(folder / "reader-ntm", *expect_lines(loaded, random(2, 3, 1, 6, seed=9), torch.tensor([6, 4])))


def expect_scenes(captioner: Any, images: Tensor) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What two captions score, and what is said."""
    captions = ["a red circle", "blue above"]
    output = captioner(images, captions)
    said = {"images": images, **output._asdict()}
    words = {}
    for beam in (1, 2):
        found = captioner.describe(images, beam_size=beam, max_length=5)
        words[beam] = [list(caption.words) for caption in found]
        said[f"confidence.{beam}"] = torch.tensor([caption.confidence for caption in found], dtype=torch.float64)
    return said, {"captions": json.dumps(captions), "said": json.dumps(words)}


def make_captioners(folder: Path) -> None:
    """As the readers."""
    torch.manual_seed(30)
    sizes = {"vocabulary": WORDS, "hidden_size": 5, "embedding_size": 4, "attention_size": 4}
    captioner = stir(memnets.Captioner(**sizes, feedback="place", coverage_weight=0.0, references="one"))
    captioner.train()
    for seed in range(3):
        captioner(random(2, 3, 16, 16, seed=seed).float(), ["a red", "blue"])
    captioner.bfloat16().save_pretrained(folder / "captioner")
    loaded = memnets.Captioner.from_pretrained(folder / "captioner").double()
    write(folder / "captioner", *expect_scenes(loaded, random(2, 3, 16, 24, seed=9)))

    own = {"encoder": nn.Identity(), "feature_size": 3}
    captioner = stir(memnets.Captioner(**own, **sizes, cell="ntm", slots=8, width=4))
    captioner.save_pretrained(folder / "captioner-ntm")
    loaded = memnets.Captioner.from_pretrained(folder / "captioner-ntm", **own).double()
    write(folder / "captioner-ntm", *expect_scenes(loaded, random(2, 3, 2, 3, seed=9)))


def write(folder: Path, tensors: dict[str, Tensor], texts: dict[str, str] | None = None) -> None:
    kept = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    save_file(kept, folder / "expected.safetensors", metadata=texts)


@torch.no_grad()
def make_pretrained(folder: Path) -> None:
    folder.mkdir()
    make_sequences(folder)
    make_readers(folder)
    make_captioners(folder)
