"""A convolutional network over frames, and any network of sequences over time."""

from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import check_inputs, check_whole
from ..base.model import Model, TrainingOutputs, as_parameters, check_sizes
from ..base.module import check_network
from ..base.saving import Pretrained
from ..base.segments import clear_padding
from ..base.task import Task
from ..vision.frames import FrameEncoder, frame_size


class VideoNetwork(Model, Pretrained):
    """Each frame to a vector by convolutions, the vectors through any network of sequences, and scores at each frame.

    >>> model = VideoNetwork(input_size=256, output_size=5, network=LSTM(input_size=32, hidden_size=64))
    >>> logits, state = model(torch.rand(2, 9, 256))  # frames of 16 x 16 grey pixels: (2, 9, 5)
    >>> logits, state = model(torch.rand(2, 1, 256), state)  # one frame more

    In a file: ``network: {class_path: memnets.GRU, init_args: {input_size: 32, hidden_size: 64}}``.

    Args:
        input_size: numbers of a frame, channel by channel and row by row.
        output_size: O, classes.
        network: takes vectors of its ``input_size``; give it no ``output_size`` and no ``vocabulary``.
        encoder: any module from frames ``(N, channels, H, W)`` to as many numbers a frame, maps or vectors; a
            :class:`memnets.vision.FrameEncoder` if None.
        channels: of a frame, 1 for grey.
        height: rows of a frame; None where frames are square.
        dropout: share of the network's outputs that is left out in training.

    Raises:
        ValueError: frames of these channels and rows do not have ``input_size`` numbers, or a number is out of range.
        TypeError: ``network`` is none.

    Source:
        Donahue et al. 2015, "Long-term recurrent convolutional networks", arXiv:1411.4389.
    """

    carries_state = True

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        network: nn.Module,
        encoder: nn.Module | None = None,
        channels: int = 1,
        height: int | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        for name, value in (("input_size", input_size), ("output_size", output_size)):
            check_whole(name, value)
        network = check_network("network", network, "VideoNetwork")
        self.frame = frame_size(input_size, channels, height)
        self.input_size, self.output_size = input_size, output_size
        self.encoder = FrameEncoder(*self.frame, network.input_size) if encoder is None else encoder
        self.network = network
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(network.output_size, output_size)

    def initial_state(self, batch_size: int) -> Any:
        """The network's state before the first frame."""
        return self.network.initial_state(batch_size)

    def check_task(self, task: Task) -> None:
        """Raise ValueError unless the sizes are those of ``task``."""
        check_sizes(self, task)

    def forward(self, frames: Tensor, state: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """Run over clips.

        Args:
            frames: ``(B, T, input_size)``.
            state: as returned by an earlier call, to go on with the same clips; None starts afresh.
            lengths: ``(B,)``; frames past a clip's length leave its state as it was, and its outputs are zero there.

        Returns:
            Logits ``(B, T, O)``, and the state after each clip's last frame.

        Raises:
            ValueError, TypeError: ``frames``, ``state`` or ``lengths`` do not fit; the message says how.
        """
        check_inputs(frames, self.input_size)
        vectors = self.encoder(frames.reshape(-1, *self.frame)).flatten(1)  # (B * T, F)
        if vectors.shape[1] != self.network.input_size:
            raise ValueError(
                f"{type(self.encoder).__name__} gives {vectors.shape[1]} numbers a frame, but the network takes "
                f"{self.network.input_size}: give the network that input_size"
            )
        features, state = self.network(vectors.unflatten(0, frames.shape[:2]), state, lengths)  # (B, T, F)
        logits = self.output(self.dropout(features))
        return (logits if lengths is None else clear_padding(logits, torch.as_tensor(lengths))), state

    def training_outputs(self, batch: Any, state: Any = None) -> TrainingOutputs:
        """Logits ``(B, T, O)`` of a batch with ``inputs`` and ``lengths``, after what ``state`` has seen."""
        logits, state = self(as_parameters(self, batch.inputs), state, batch.lengths)
        predictions = None if self.training and self.dropout.p else logits.detach()
        return TrainingOutputs(logits, self.network.auxiliary_loss(state), predictions=predictions, state=state)

    def predict(self, batch: Any) -> Tensor:
        """Logits ``(B, T, O)`` of a batch with ``inputs`` and ``lengths``."""
        return self(as_parameters(self, batch.inputs), lengths=batch.lengths)[0]

    def backend_report(self) -> dict[str, str]:
        """The network's."""
        return self.network.backend_report()
