"""Saving a module to a folder and loading it back, without pickle."""

import functools
import inspect
import json
import numbers
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import nn

from .files import write_atomically
from .saved_files import in_one_line, make_within, read_config

CONFIG, WEIGHTS = "config.json", "model.safetensors"
PLACE = ("device", "dtype")
"""Arguments that say where a module is and in what precision, which the weights do themselves."""
GIVEN = "given"
"""Stands in a configuration for an argument that is no plain value: it has to be handed in again."""


class Pretrained:
    """Adds ``save_pretrained`` and ``from_pretrained`` to a module, whose arguments are recorded by themselves.

    Attributes:
        config: the arguments that the module was made with, those left at their defaults included. What is no plain
            value, such as a module or a function, is recorded as "given".
    """

    config: dict[str, Any]

    def __init_subclass__(cls, **options: Any) -> None:
        """Record the arguments of the class's ``__init__``."""
        super().__init_subclass__(**options)
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls.__init__)

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
            overrides: arguments to change that no parameter depends on, such as ``slots`` or ``backend``; ``device``
                and ``dtype`` to put it elsewhere than on the CPU and in another precision than it was saved in.

        Raises:
            FileNotFoundError: the folder lacks one of the two files.
            ValueError: another class was saved there, an argument is unknown or impossible, the weights do not fit, or
                one of the files is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = Path(folder)
        for name in (CONFIG, WEIGHTS):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder} holds no {name}: was it written by save_pretrained?")
        try:
            config = read_config(folder / CONFIG)
            weights = load_file(folder / WEIGHTS)
        except (ValueError, SafetensorError) as error:
            raise ValueError(f"{folder} is damaged: {in_one_line(error)}; save the module again") from error
        saved = config.pop("class", None)
        if saved != cls.__name__:
            named = str(saved)[:60]
            raise ValueError(f"{folder} holds a {named}, not a {cls.__name__}: load it with {named}.from_pretrained")
        known = arguments(cls)
        for name in [*overrides, *config]:
            if name not in known:
                where = "" if name in overrides else f" ({folder} has it: was it saved by a newer version?)"
                raise ValueError(f"{cls.__name__} has no argument {name!r}; it has {', '.join(known)}{where}")
        place = {name: overrides.pop(name) for name in PLACE if name in overrides}
        config = {**{name: value for name, value in config.items() if name not in PLACE}, **overrides}
        missing = [name for name, value in config.items() if isinstance(value, str) and value == GIVEN]
        if missing:
            raise ValueError(
                f"{missing[0]} is 'given' in {folder}, one of your own that is not in the file: hand it in again, "
                f"{cls.__name__}.from_pretrained(folder, {missing[0]}=...)"
            )
        module = make_within(folder, weights, lambda: cls(**config))
        assert isinstance(module, nn.Module)
        module.load_state_dict(weights, assign=True)  # keeps the dtype that was saved
        module.to(**place)
        return module.eval()


def arguments(cls: type) -> dict[str, Any]:
    """The arguments of a class by name, with their defaults; those that ``**options`` passes on included."""
    found: dict[str, Any] = {}
    for kind in cls.__mro__:
        if "__init__" not in kind.__dict__ or kind in (nn.Module, object):
            continue
        parameters = [p for p in inspect.signature(kind.__init__).parameters.values() if p.name != "self"]
        first = not found
        for p in parameters:
            passed_on = p.kind is p.KEYWORD_ONLY and p.default is not p.empty  # without one, the class itself gives it
            if (first or passed_on) and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
                found.setdefault(p.name, p.default)
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return found


def _recording(init: Any) -> Any:
    """``__init__`` that first keeps its arguments, if it is that of the object's own class."""

    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self).__init__ is wrapped:
            try:
                bound = inspect.signature(init).bind(self, *args, **kwargs).arguments
            except TypeError:
                bound = {}  # the call below says what is wrong
            given = {k: v for k, v in arguments(type(self)).items() if v is not inspect.Parameter.empty}
            for name, value in list(bound.items())[1:]:
                given |= value if name in _passed_on(init) else {name: value}
            self.__dict__["config"] = {name: _plain(value) for name, value in given.items() if name not in PLACE}
        init(self, *map(_python, args), **{name: _python(value) for name, value in kwargs.items()})

    return wrapped


def _python(value: Any) -> Any:
    """Whole numbers of NumPy as Python's, which torch's own layers insist on; anything else as it is."""
    return int(value) if isinstance(value, np.integer) else value


def _passed_on(init: Any) -> list[str]:
    return [p.name for p in inspect.signature(init).parameters.values() if p.kind is p.VAR_KEYWORD]


def _plain(value: Any) -> Any:
    """``value`` if JSON has it, lists in place of tuples, or "given"."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, numbers.Integral):  # of NumPy
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    return GIVEN
