"""A language model of characters over any network of sequences."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import check_number, check_whole
from ..base.model import Model, TrainingOutputs
from ..base.modes import check_share, evaluating
from ..base.module import check_network
from ..base.saving import Pretrained
from ..base.task import Task
from ..text import Charset, SymbolChange, WithSymbols

START = 0
"""The class that stands before a text, and after it."""


class LanguageModel(WithSymbols[Charset], Model, Pretrained):
    """Says after each character which comes next: an embedding, any network of sequences, and a score a character.

    >>> model = LanguageModel("helo", network=LSTM(input_size=16, hidden_size=32))
    >>> logits, state = model(torch.tensor([[1, 2, 3]]))  # (1, 3, 5)
    >>> "".join(model.sample("he", length=10, temperature=0.5))

    In a file: ``model: {class_path: memnets.LanguageModel, init_args: {network: {class_path: memnets.GRU, init_args:
    {input_size: 64, hidden_size: 256}}}}``; the characters are the task's.

    Args:
        charset: the characters it can write; see :class:`memnets.text.Charset`. Class 0 is the start and the end of a
            text.
        network: takes embeddings of ``input_size``; give it no ``output_size`` and no ``vocabulary``. One of your own
            is handed in again at ``from_pretrained``.
        dropout: share of the network's outputs that is left out in training.
        context: characters that it looks back on while it writes: it then reads the last half of them anew. For
            networks that were trained on short pieces alone, such as a Transformer. None for all since the start.

    Raises:
        ValueError: the network has a vocabulary of its own or has not the batch first, or a number is out of range.
        TypeError: ``network`` is none.

    Source:
        Karpathy 2015, "The Unreasonable Effectiveness of Recurrent Neural Networks"; Graves 2013, arXiv:1308.0850.
    """

    carries_state = True

    def __init__(self, charset: str, *, network: nn.Module, dropout: float = 0.0, context: int | None = None):
        super().__init__()
        network = check_network("network", network, "LanguageModel")
        check_share("dropout", dropout)
        if context is not None:
            check_whole("context", context, 2)
        self.symbols = Charset(charset)
        self.network = network
        self.embedding = nn.Embedding(len(self.symbols), network.input_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(network.output_size, len(self.symbols))
        self.context = context

    @property
    def charset(self) -> str:
        """The characters it can write."""
        return self.symbols.characters

    def change_charset(self, charset: str) -> SymbolChange:
        """Write other characters from now on; those shared keep what was learnt. Make the optimiser afterwards.

        Returns:
            Which characters were kept, which are new and untrained, and which were dropped.
        """
        change = self.exchange(Charset(charset))
        self.config["charset"] = charset
        return change

    def check_task(self, task: Task) -> None:
        """Raise ValueError unless the task is of characters, all of which the model has, in the same order."""
        self.check_symbols("charset", task.charset, task)
        if task.charset != self.charset:
            raise ValueError(f"the model's charset is not that of {type(task).__name__}: give it the task's")

    def table_names(self) -> list[str]:
        """The submodules with one row a character."""
        return ["embedding", "output"]

    @classmethod
    def symbols_of(cls, codes: Tensor) -> dict[str, Any]:
        """``charset`` of a checkpoint."""
        return {"charset": Charset.from_tensor(codes).characters}

    def initial_state(self, batch_size: int) -> Any:
        """The network's state before the first character."""
        return self.network.initial_state(batch_size)

    def forward(self, tokens: Tensor, state: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """Scores of the character after each.

        Args:
            tokens: classes ``(B, T)``, int64.
            state: as returned by an earlier call, to go on with the same texts; None starts afresh.
            lengths: ``(B,)``, as of :class:`memnets.SequenceModule`; None where all have T characters.

        Returns:
            Logits ``(B, T, V)``, and the state after each text's last character.
        """
        features, state = self.network(self.embedding(tokens), state, lengths)  # (B, T, F)
        return self.output(self.dropout(features)), state

    def training_outputs(self, batch: Any, state: Any = None) -> TrainingOutputs:
        """Logits ``(B, T, V)`` of a batch with ``inputs`` and ``lengths``, after what ``state`` has seen."""
        logits, state = self(batch.inputs, state, batch.lengths)
        predictions = None if self.training and self.dropout.p else logits.detach()
        return TrainingOutputs(logits, self.network.auxiliary_loss(state), predictions=predictions, state=state)

    def predict(self, batch: Any) -> Tensor:
        """Logits ``(B, T, V)`` of a batch with ``inputs`` and ``lengths``."""
        return self(batch.inputs, lengths=batch.lengths)[0]

    def backend_report(self) -> dict[str, str]:
        """The network's."""
        return self.network.backend_report()

    def sample(
        self, prompt: str = "", *, length: int = 500, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Iterator[str]:
        """Go on with a text, character by character, up to its end or to ``length`` characters.

        Args:
            prompt: what it goes on with; not given back.
            length: characters at most.
            temperature: by which logits are divided: below 1 likelier characters become likelier still, and 0 takes the
                likeliest.
            generator: source of randomness, on the CPU; torch's own if None.

        Yields:
            One character at a time, as soon as it is drawn.

        Raises:
            ValueError: the prompt holds a character that is not in the charset, or a number is out of range.
        """
        tokens = [START, *self.symbols.encode(prompt)]
        check_whole("length", length, 0)
        check_number("temperature", temperature)
        if temperature < 0:
            raise ValueError(f"temperature is {temperature}, but must be at least 0")
        return self._written(tokens, length, temperature, generator)

    def _written(
        self, tokens: list[int], length: int, temperature: float, generator: torch.Generator | None
    ) -> Iterator[str]:
        state, unread = None, self._within_context(tokens)
        read = 0
        for _ in range(length):
            if self.context is not None and read + len(unread) > self.context:
                state, unread, read = None, tokens[-(self.context // 2) :], 0
            with evaluating(self), torch.no_grad():
                shown = torch.tensor([unread], device=self.embedding.weight.device)  # (1, unread)
                logits, state = self(shown, state)
            read += len(unread)
            drawn = _draw(logits[0, -1].float().cpu(), temperature, generator)
            if drawn == START:
                return
            tokens.append(drawn)
            unread = [drawn]
            yield self.symbols.decode(unread)

    def _within_context(self, tokens: list[int]) -> list[int]:
        return tokens if self.context is None else tokens[-self.context :]


def _draw(logits: Tensor, temperature: float, generator: torch.Generator | None) -> int:
    """A class of ``logits (V,)``."""
    if temperature == 0:
        return int(logits.argmax())
    chances = ((logits - logits.max()).double() / temperature).softmax(-1)  # in float32 1e-40 would be 0
    return int(torch.multinomial(chances, 1, generator=generator))
