"""Several networks climbed at once, on the sum of their scores."""

from collections.abc import Sequence

import torch
from torch import nn

from ..networks.backbones import Backbone
from .rectifiers import unrectified


class Together(nn.Module):
    """Networks as one, whose class scores are the sums of theirs (see ``unrectified``).

    Raises ValueError without networks, and for outputs of different shapes.
    """

    def __init__(self, nets: Sequence[Backbone]) -> None:
        super().__init__()
        if not nets:
            raise ValueError("expected at least one network to climb")
        self.nets = nn.ModuleList(unrectified(net) for net in nets)
        self.title = " and ".join(net.title for net in nets)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the summed scores (n, classes) of pictures (n, 3, H, W)."""
        each = [net(x) for net in self.nets]
        if len({scores.shape for scores in each}) > 1:
            shapes = [tuple(scores.shape) for scores in each]
            raise ValueError(f"{self.title}: expected the same classes, got outputs {shapes}")
        return torch.stack(each).sum(0)
