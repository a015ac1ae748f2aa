"""Read weighting of a DNC: Graves et al. 2016, Methods, "Temporal memory linkage", its last part."""

from torch import Tensor


def read_weighting(content: Tensor, backward: Tensor, forward: Tensor, modes: Tensor) -> Tensor:
    """Where each head reads: ``w^r = pi_1 b + pi_2 c^r + pi_3 f``.

    With several write heads there is a backward and a forward mode for the links of each.

    Args:
        content: c^r, ``(B, R, N)``.
        backward: b, ``(B, R, W, N)``.
        forward: f, ``(B, R, W, N)``.
        modes: pi, ``(B, R, 2W + 1)``, a distribution: W backward modes, the content mode, W forward modes.

    Returns:
        w^r_t, ``(B, R, N)``.

    Raises:
        ValueError: ``modes`` has not 2W + 1 entries.
    """
    heads = backward.shape[2]
    if modes.shape[-1] != 2 * heads + 1:
        raise ValueError(
            f"modes has {modes.shape[-1]} entries a read head, but the links of {heads} write head(s) need "
            f"{2 * heads + 1}: {heads} backward, 1 content, {heads} forward"
        )
    pi_backward, pi_content, pi_forward = modes.unsqueeze(-1).split([heads, 1, heads], dim=2)
    along = (pi_backward * backward + pi_forward * forward).sum(2)  # (B, R, N)
    return along + pi_content.squeeze(2) * content
