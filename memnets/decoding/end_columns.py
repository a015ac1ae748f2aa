"""The end of a line as something to be seen: columns that are learnt, after the last of a line's own."""

import torch
from torch import Tensor, nn

from ..attention.additive import Attention, Keys
from ..vision.base import Columns, column_mask


class EndColumns(nn.Module):
    """Appends learnt columns after each line's last valid one, so that the end of a line is something to be seen.

    A decoder that must know when to stop would else count its steps, and counts do not go past those trained on.

    Args:
        feature_size: D.
        columns: how many to append.
    """

    def __init__(self, feature_size: int, columns: int = 2):
        super().__init__()
        self.columns = nn.Parameter(torch.randn(columns, feature_size) * 0.5)

    def forward(self, line: Columns) -> Columns:
        """Features (B, C, D) and counts (B,) to (B, C + E, D) and counts + E."""
        ends, size = self.columns.shape
        features = torch.cat([line.features, line.features.new_zeros(line.features.shape[0], ends, size)], dim=1)
        place = torch.arange(features.shape[1], device=features.device) - line.counts.unsqueeze(1)  # (B, C + E)
        chosen = self.columns[place.clamp(0, ends - 1)]  # (B, C + E, D)
        at_end = (place >= 0) & (place < ends)
        return Columns(torch.where(at_end.unsqueeze(2), chosen.to(features), features), line.counts + ends)

    def keys(self, line: Columns, attention: Attention) -> Keys:
        """What an attention looks at: the columns of each line and its end columns."""
        line = self(line)
        return attention.prepare(line.features, line_mask(line))


def line_mask(line: Columns) -> Tensor:
    """True at the valid columns, (B, C)."""
    return column_mask(line.counts, line.features.shape[1])
