"""Saving a module to a folder and loading it back, without pickle."""

import json
from pathlib import Path
from typing import Any, Self

from torch import nn

from .files import write_atomically

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class Pretrained:
    """Adds ``save_pretrained`` and ``from_pretrained`` to a module whose ``config`` holds its arguments."""

    config: dict[str, Any]

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write ``config.json`` and ``model.safetensors`` into ``folder``, which is made if missing.

        Returns:
            The folder.

        Raises:
            NotADirectoryError: ``folder`` is a file.
        """
        from safetensors.torch import save

        assert isinstance(self, nn.Module)
        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"{folder} is a file, but save_pretrained needs a folder")
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        config = {"class": type(self).__name__, **self.config}
        write_atomically(
            {
                folder / WEIGHTS: save(tensors, metadata={"format": "pt"}),
                folder / CONFIG: (json.dumps(config, indent=2) + "\n").encode(),
            }
        )
        return folder

    @classmethod
    def from_pretrained(cls, folder: str | Path, **overrides: Any) -> Self:
        """The module saved in ``folder``, on the CPU and in evaluation mode.

        Args:
            folder: what ``save_pretrained`` wrote.
            overrides: arguments to change that no parameter depends on, such as ``slots`` or ``backend``.

        Raises:
            FileNotFoundError: the folder lacks one of the two files.
            ValueError: another class was saved there, an argument is unknown, or the weights do not fit.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = Path(folder)
        for name in (CONFIG, WEIGHTS):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder} holds no {name}: was it written by save_pretrained?")
        try:
            config = json.loads((folder / CONFIG).read_text())
            weights = load_file(folder / WEIGHTS)
        except (ValueError, SafetensorError) as error:
            raise ValueError(f"{folder} is damaged: {error}; save the module again") from error
        saved = config.pop("class", None)
        if saved != cls.__name__:
            raise ValueError(f"{folder} holds a {saved}, not a {cls.__name__}: load it with {saved}.from_pretrained")
        unknown = sorted(set(overrides) - set(config))
        if unknown:
            raise ValueError(f"{cls.__name__} has no argument {unknown[0]!r}; it has {', '.join(config)}")
        module = cls(**{**config, **overrides})
        assert isinstance(module, nn.Module)
        own = module.state_dict()
        for name in sorted({*own, *weights}):
            shapes = [tuple(part[name].shape) if name in part else "missing" for part in (weights, own)]
            if shapes[0] != shapes[1]:
                raise ValueError(
                    f"{folder} does not fit: {name} is {shapes[0]} there and {shapes[1]} in this {cls.__name__}; "
                    "override only arguments that no parameter depends on, such as slots"
                )
        module.load_state_dict(weights, assign=True)  # keeps the dtype that was saved
        module.eval()
        return module
