"""Maps that know nothing of the network: what a method has to beat."""

import torch
from torch.nn import functional as F


def random_map(x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
    """Return uniform noise (n, H, W): a control that looks at nothing."""
    return torch.rand((len(x), *x.shape[-2:]), generator=generator).to(x.device)


def edge_map(x: torch.Tensor) -> torch.Tensor:
    """Return the size of Sobel's gradient of the grey picture: a control that knows no network."""
    grey = x.float().mean(1, keepdim=True)
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=x.device)
    kernels = torch.stack([sobel, sobel.T])[:, None]
    return F.conv2d(F.pad(grey, (1,) * 4, mode="replicate"), kernels).norm(dim=1)


def centre_map(x: torch.Tensor, width: float = 0.25) -> torch.Tensor:
    """Return a Gaussian in the middle of the frame: a control that knows only photographers."""
    rows, columns = (torch.linspace(-0.5, 0.5, side, device=x.device) for side in x.shape[-2:])
    squared = rows[:, None] ** 2 + columns**2
    return torch.exp(-squared / (2 * width**2)).expand(len(x), -1, -1)
