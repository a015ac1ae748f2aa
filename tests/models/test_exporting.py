"""Readers as graphs: batch and width may be of any size, and what a graph gives is what the reader gives."""

import importlib.util
import io
import json

import pytest
import torch

from memnets.cli import main
from memnets.decoding.loss import pad_classes, with_end
from memnets.models.exporting import exported, reader_graphs
from reading_cases import draw, tiny_reader

OTHER = draw(["abcdabcd", "d", "bb"])


def graphs_of(reader):
    return {name: exported(reader, graph).module() for name, graph in reader_graphs(reader).items()}


@pytest.mark.parametrize("settings", [{}, {"ctc_weight": 1.0}, {"ctc_weight": 1.0, "recurrent_size": 4}])
def test_a_graph_gives_what_the_reader_gives_at_other_sizes(settings):
    reader = tiny_reader(**settings).eval()
    graphs = graphs_of(reader)
    outputs = dict(zip(reader_graphs(reader)["encoder"].outputs, graphs["encoder"](OTHER.images, OTHER.widths)))
    expected = reader(OTHER.images, OTHER.widths, OTHER.texts)
    torch.testing.assert_close(outputs["columns"], expected.columns)
    torch.testing.assert_close(outputs["log_probs"], expected.ctc_log_probs)
    if "step" not in graphs:
        assert "ctc_weight" in settings
        return
    state = [value for name, value in outputs.items() if name.startswith("state")]
    classes, lengths = pad_classes([reader.symbols.encode(text) for text in OTHER.texts])
    targets = with_end(classes, lengths)
    symbols = torch.zeros(3, dtype=torch.long)
    for t in range(3):
        log_probs, weights, *state = graphs["step"](
            symbols, *(outputs[n] for n in ("features", "projected", "mask")), *state
        )
        torch.testing.assert_close(log_probs, expected.logits[:, t].log_softmax(1))
        torch.testing.assert_close(weights, expected.weights[:, t])
        symbols = targets[:, t].clamp(min=0)


def test_what_would_be_for_one_width_alone_is_refused():
    reader = tiny_reader(ctc_weight=1.0)
    forward = reader.encoder.forward
    reader.encoder.forward = lambda images, *more: forward(images * len(range(images.shape[3])), *more)
    with pytest.raises(ValueError, match="of your own that looks at sizes"):
        graphs_of(reader)


def test_the_commands(tmp_path, capsys, reading_run):
    assert main(["export", reading_run, "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"encoder.pt2", "step.pt2", "reader.json"}
    facts = json.loads((tmp_path / "out" / "reader.json").read_text())
    assert facts["charset"] == "0123456789"
    assert facts["graphs"]["encoder"]["inputs"] == {"images": ["batch", 1, 16, "width"], "widths": ["batch"]}
    program = torch.export.load(io.BytesIO((tmp_path / "out" / "encoder.pt2").read_bytes())).module()
    assert len(program(torch.rand(1, 1, 16, 33), torch.tensor([33]))) == len(facts["graphs"]["encoder"]["outputs"])
    capsys.readouterr()
    assert main(["save", reading_run, str(tmp_path / "saved")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'saved'}\n"
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {"config.json", "model.safetensors"}
    assert main(["save", reading_run, str(tmp_path / "out" / "reader.json")]) == 2
    assert "reader.json is a file: give a folder" in capsys.readouterr().err
    if importlib.util.find_spec("onnx") is None:
        assert main(["export", reading_run, "--format", "onnx"]) == 2
        assert "ONNX needs onnx" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_onnxruntime_agrees(tmp_path, reading_run):
    import onnxruntime

    import memnets

    assert main(["export", reading_run, "--out", str(tmp_path), "--format", "onnx"]) == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "encoder.onnx"))
    images, widths = torch.rand(3, 1, 16, 70), torch.tensor([70, 9, 44])
    graph = reader_graphs(memnets.load(reading_run))["encoder"]
    for own, other in zip(
        graph.module(images, widths), session.run(None, {"images": images.numpy(), "widths": widths.numpy()})
    ):
        torch.testing.assert_close(own.detach(), torch.from_numpy(other), atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def reading_run(tmp_path_factory):
    from running import fit_images

    short = ["--task.max_length", "2", "--task.evaluation_lengths", "[2]", "--training.batch_size", "2"]
    return str(fit_images(tmp_path_factory.mktemp("runs"), "ocr-digits", 1, "--model.hidden_size", "8", *short))
