"""What is made of a trained run for use elsewhere: a ``save_pretrained`` folder, and graphs for other runtimes."""

import importlib.util
import io
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..base.errors import UsageError
from ..base.files import write_atomically
from ..base.saving import Pretrained
from ..models.exporting import Graph, exported, reader_graphs
from ..models.text_reader import TextReader
from .load import load_reader

FORMATS = ("pt2", "onnx")


def save_run(path: str, folder: str | None, *, half: bool, which: str, vouched: bool) -> Path:
    """Write a run's model as ``save_pretrained`` does, into RUN_DIR/pretrained if no folder is named.

    ``half`` writes its floating point numbers in half precision, in which they are loaded again.

    Raises:
        RunError, UsageError: as :func:`load_reader`, or the model cannot be saved so.
    """
    run, model, _ = load_reader(path, which=which, vouched=vouched)
    if not isinstance(model, Pretrained):
        raise UsageError(f"save: {path} holds a {type(model).__name__}, which has no save_pretrained: give another run")
    target = Path(folder or run.path / "pretrained")
    if target.exists() and not target.is_dir():
        raise UsageError(f"save: {target} is a file: give a folder")
    model = model.half() if half and isinstance(model, nn.Module) else model
    return Path(model.save_pretrained(target))


def export_run(path: str, folder: str | None, *, format: str, which: str, vouched: bool) -> list[Path]:
    """Write a reader's graphs and its characters into a folder, RUN_DIR/exported if none is named; all or nothing.

    Raises:
        RunError, UsageError: as :func:`load_reader`, the run is of no reader, its parts cannot be exported, or what the
            format needs is not installed.
    """
    if format == "onnx" and (
        missing := [name for name in ("onnx", "onnxscript") if not importlib.util.find_spec(name)]
    ):
        raise UsageError(f"export: ONNX needs {' and '.join(missing)}: pip install onnx onnxscript, or --format pt2")
    run, model, _ = load_reader(path, which=which, vouched=vouched)
    if not isinstance(model, TextReader):
        raise UsageError(f"export: {path} holds a {type(model).__name__}, and readers alone are exported: give one")
    target = Path(folder or run.path / "exported")
    files: dict[Path, bytes] = {}
    graphs = reader_graphs(model)
    for name, graph in graphs.items():
        files[target / f"{name}.{format}"] = _written(model, graph, format)
    files[target / "reader.json"] = (json.dumps(_facts(model, graphs), indent=2, ensure_ascii=False) + "\n").encode()
    try:
        write_atomically(files)
    except OSError as error:
        raise UsageError(f"export: {target} cannot be written ({error.strerror}): give another with --out") from error
    return list(files)


def _written(model: TextReader, graph: Graph, format: str) -> bytes:
    """One graph as the bytes of a file."""
    data = io.BytesIO()
    try:
        program = exported(model, graph)
        if format == "pt2":
            torch.export.save(program, data)
            return data.getvalue()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of opsets and of names that it gives anew
            made: Any = torch.onnx.export(
                program, input_names=list(graph.example), output_names=list(graph.outputs), dynamo=True, verbose=False
            )
        return made.model_proto.SerializeToString()
    except Exception as error:  # torch's own are of many kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(f"export: this {type(model).__name__} cannot be exported: {reason[:300]}") from error


def _facts(model: TextReader, graphs: dict[str, Graph]) -> dict[str, Any]:
    """What a user of the graphs has to know."""
    return {
        "charset": model.charset,
        "height": getattr(model.encoder, "height", None),
        "graphs": {
            name: {
                "inputs": {key: [graph.dynamic.get(key, {}).get(n, size) for n, size in enumerate(value.shape)]
                           for key, value in graph.example.items()},
                "outputs": list(graph.outputs),
            }
            for name, graph in graphs.items()
        },
    }  # fmt: skip
