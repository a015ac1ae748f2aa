"""Modules with one row a symbol: the symbols are part of the checkpoint, and can be exchanged."""

import abc
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from ..base.adopting import Adopted, adopt_matching
from .charset import Charset, SymbolChange, Vocabulary, compare, exchange_tables, remap_rows

SymbolsT = TypeVar("SymbolsT", Charset, Vocabulary)


class WithSymbols(nn.Module, abc.ABC, Generic[SymbolsT]):
    """A module that writes the symbols of ``self.symbols``; they are saved and loaded with its weights.

    Loading weights that were learnt with other symbols takes over the rows of those in both, and warns with what
    is new (fresh rows, to be trained) and what was dropped.
    """

    symbols: SymbolsT

    @abc.abstractmethod
    def table_names(self) -> list[str]:
        """The names of the submodules with one row a class."""

    @classmethod
    @abc.abstractmethod
    def symbols_of(cls, codes: Tensor) -> dict[str, Any]:
        """The argument that makes a module of a checkpoint's symbols, as :meth:`get_extra_state` gave them, by name."""

    def check_symbols(self, kind: str, wanted: Sequence[str] | None, task: Any) -> None:
        """Raise ValueError unless each of ``wanted``, the ``kind`` of ``task``, can be written."""
        name = type(task).__name__
        if wanted is None or isinstance(wanted, int):
            raise ValueError(
                f"{type(self).__name__} needs a task with a {kind}, but {name} has none: readers go with tasks of "
                "lines, captioners with tasks of scenes, and sequence models with the others"
            )
        missing = [symbol for symbol in wanted if symbol not in self.symbols.classes]
        if missing:
            raise ValueError(f"the model's {kind} lacks {missing[0]!r}, which {name} has: give it the task's")

    def exchange(self, new: SymbolsT) -> SymbolChange:
        """Write the symbols of ``new`` from now on; rows of shared symbols stay. Make the optimiser afterwards."""
        exchange_tables([self.get_submodule(name) for name in self.table_names()], self.symbols, new)
        change = compare(self.symbols, new)
        self.symbols = new
        return change

    def adopt_state(self, weights: Mapping[str, Any], config: Mapping[str, Any]) -> Adopted:
        """Start from the weights of another training, those of shared symbols row by row; see ``Model.adopt_state``."""
        del config
        codes = weights.get("_extra_state")
        if not isinstance(codes, Tensor) or codes.dtype != self.symbols.to_tensor().dtype:
            return adopt_matching(self, weights)
        saved = type(self.symbols).from_tensor(codes)
        weights = {**weights, "_extra_state": self.symbols.to_tensor()}
        for name in self.table_names():
            for part, own in self.get_submodule(name).named_parameters(recurse=False):
                key = f"{name}.{part}"
                if key in weights and weights[key].shape == (len(saved), *own.shape[1:]):
                    weights[key] = remap_rows(weights[key], saved, own.detach(), self.symbols)
        adopted = adopt_matching(self, weights)
        return adopted._replace(notes=[*adopted.notes, f"symbols: {compare(saved, self.symbols)}"])

    def get_extra_state(self) -> Tensor:
        """The symbols, as a tensor: loads with ``weights_only=True``, and saves to safetensors."""
        return self.symbols.to_tensor()

    def set_extra_state(self, state: Tensor) -> None:
        """Nothing: :meth:`_load_from_state_dict` has made the weights fit the symbols of this module."""

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any) -> None:
        codes = state_dict.get(prefix + "_extra_state")
        if codes is not None:
            saved = type(self.symbols).from_tensor(codes)
            if saved.symbols != self.symbols.symbols:
                self._remap(state_dict, prefix, saved)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _remap(self, state_dict: Any, prefix: str, saved: SymbolsT) -> None:
        for name in self.table_names():
            for part, own in self.get_submodule(name).named_parameters(recurse=False):
                key = f"{prefix}{name}.{part}"
                if key in state_dict and len(state_dict[key]) == len(saved):
                    state_dict[key] = remap_rows(state_dict[key], saved, own.detach(), self.symbols)
        change = compare(saved, self.symbols)
        if change.added or change.dropped:
            warnings.warn(f"the weights were learnt with other symbols: {change}", stacklevel=2)
