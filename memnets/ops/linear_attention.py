"""Linear attention, or fast weights written by outer products: Katharopoulos et al. 2020, section 3.4; Schlag et al.
2021, section 3."""

from torch import Tensor

from .delta import recall
from .sequences import from_chunks, into_chunks, recurrence


def linear_attention_step(q: Tensor, k: Tensor, v: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One step: ``S_t = S_{t-1} + k v`` (an outer product) and ``o = q S_t``.

    Args:
        q: ``(B, H, K)``.
        k: ``(B, H, K)``.
        v: ``(B, H, V)``.
        state: S_{t-1}, ``(B, H, K, V)``.

    Returns:
        o, ``(B, H, V)``, and S_t, ``(B, H, K, V)``.
    """
    state = state + k.unsqueeze(-1) * v.unsqueeze(-2)
    return recall(q, state), state


def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, initial_state: Tensor | None = None, chunk: int | None = None
) -> tuple[Tensor, Tensor]:
    """A sequence of ``linear_attention_step``s, one after another or in parallel over chunks of steps.

    There is no normaliser: with a column of ones in v, that column of o is ``sum_j q_i . k_j``.

    Args:
        q: ``(B, T, H, K)``, after its feature map.
        k: ``(B, T, H, K)``, after its feature map; a key of 0 writes nothing.
        v: ``(B, T, H, V)``.
        initial_state: S_0, ``(B, H, K, V)``; zeros by default.
        chunk: Steps to compute at once, as in ``delta_rule``; by default the steps are taken one by one.

    Returns:
        o, ``(B, T, H, V)``, and the state after the last step, ``(B, H, K, V)``.

    Raises:
        ValueError: Shapes do not fit one another, or ``chunk`` is below 1.
    """
    return recurrence(linear_attention_step, _chunked, {"q": q, "k": k, "v": v}, initial_state, chunk)


def _chunked(q: Tensor, k: Tensor, v: Tensor, state: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    steps = q.shape[1]
    q, k, v = (into_chunks(x, chunk) for x in (q, k, v))  # (chunks, B, H, C, .)
    keys = k.transpose(-1, -2)
    scores = (q @ keys).tril()  # (chunks, B, H, C, C)
    outputs = []
    for q_c, keys_c, v_c, scores_c in zip(q, keys, v, scores):
        outputs.append(q_c @ state + scores_c @ v_c)
        state = state + keys_c @ v_c
    return from_chunks(outputs, steps), state
