"""The Neural Turing Machine."""

from typing import Self

from ..base.checks import check_whole
from ..base.saving import Pretrained
from ..controllers import make_controller
from ..memories.ntm import NTMMemory
from ..recurrent.cell import MemoryCell
from ..recurrent.unroll import Recurrent


class NTM(Recurrent, Pretrained):
    """Neural Turing Machine, used like ``torch.nn.LSTM``.

    >>> ntm = NTM(input_size=9, hidden_size=100, output_size=8)
    >>> output, state = ntm(torch.randn(4, 41, 9))  # (4, 41, 8)
    >>> output, state = ntm(torch.randn(4, 10, 9), state)  # the same sequences, continued

    Args:
        input_size: I, features of a step.
        hidden_size: units of each controller layer.
        output_size: O, or None for ``[h, reads]``, ``hidden_size + read_heads * width`` values.
        slots: N, vectors in memory; can be changed later with :meth:`resize`.
        width: M, the size of each.
        read_heads: R.
        write_heads: W.
        shift_range: heads may move by up to this many slots a step (2 * shift_range + 1 shifts).
        strength_bias: added at the start to the bias of every head's strength, before softplus; above 0, heads look
            for content sharply from the beginning.
        gate_bias: the same for the interpolation gate, before the sigmoid; below 0, heads move from where they were
            rather than look for content.
        controller: "lstm", "gru", "rnn" or "feedforward".
        num_layers: layers of the controller.
        batch_first: inputs and outputs are (B, T, .) if True, (T, B, .) if False.
        backend: "auto", "reference", "compiled" or "fused"; see :meth:`backend_report`.
        truncated_bptt_steps: cut the gradient each time this many steps have passed, or None for never.
        checkpoint_every: keep the state each time this many steps have passed and nothing between, for less memory
            in exchange for some time; None keeps all that the backward pass needs.
        check_finite: refuse inputs with NaN or Inf.

    Raises:
        ValueError: a size below its minimum, an unknown controller or backend.

    Source:
        @article{graves2014neural, title={Neural Turing Machines}, author={Graves, Alex and Wayne, Greg and
        Danihelka, Ivo}, journal={arXiv:1410.5401}, year={2014}}. The starting memory (constant 1e-6) is that of
        Collier & Beel 2018, arXiv:1807.08518.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        output_size: int | None = None,
        slots: int = 128,
        width: int = 20,
        read_heads: int = 1,
        write_heads: int = 1,
        shift_range: int = 1,
        strength_bias: float = 0.0,
        gate_bias: float = 0.0,
        controller: str = "lstm",
        num_layers: int = 1,
        batch_first: bool = True,
        backend: str = "auto",
        truncated_bptt_steps: int | None = None,
        checkpoint_every: int | None = None,
        check_finite: bool = False,
    ):
        check_whole("input_size", input_size)
        memory = NTMMemory(slots, width, read_heads, write_heads, shift_range, strength_bias, gate_bias)
        driver = make_controller(controller, input_size + read_heads * width, hidden_size, num_layers)
        super().__init__(
            MemoryCell(driver, memory),
            output_size=output_size,
            batch_first=batch_first,
            backend=backend,
            truncated_bptt_steps=truncated_bptt_steps,
            checkpoint_every=checkpoint_every,
            check_finite=check_finite,
        )
        self.config = {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "output_size": output_size,
            "slots": slots,
            "width": width,
            "read_heads": read_heads,
            "write_heads": write_heads,
            "shift_range": shift_range,
            "strength_bias": strength_bias,
            "gate_bias": gate_bias,
            "controller": controller,
            "num_layers": num_layers,
            "batch_first": batch_first,
            "backend": backend,
            "truncated_bptt_steps": truncated_bptt_steps,
            "checkpoint_every": checkpoint_every,
            "check_finite": check_finite,
        }

    def resize(self, slots: int) -> Self:
        """Change the number of slots, trained or not: no parameter depends on it. Returns the module itself.

        States made before do not fit afterwards.
        """
        self.cell.memory.resize(slots)
        self.config["slots"] = slots
        return self
