"""DCGAN and conditional DCGAN for grey 32 × 32 pictures.

Radford, Metz & Chintala: Unsupervised representation learning with deep convolutional generative
adversarial networks (ICLR 2016). Mirza & Osindero: Conditional generative adversarial nets (2014).
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

CLASSES = 10
CONDITIONS = ("none", "generator", "both")
INITS = ("dcgan", "torch")


@dataclass(frozen=True)
class Design:
    """What a pair of networks is made of; widths count the maps of the largest layer, 16 × 16."""

    generator_width: int = 16
    discriminator_width: int = 16
    z: int = 100
    """Numbers in z."""
    condition: str = "none"
    """Who sees the class: nobody, the ``generator`` alone, or ``both``."""
    batch_norm: bool = True
    spectral: bool = False
    """Whether D's layers are divided by their largest singular value, in place of its batch norm
    (Miyato et al., Spectral normalization for GANs, ICLR 2018)."""
    init: str = "dcgan"
    """``dcgan``: weights from N(0, 0.02); ``torch``: what PyTorch draws by itself."""

    def __post_init__(self) -> None:
        """Raise ValueError for a design that cannot be built."""
        if min(self.generator_width, self.discriminator_width, self.z) < 1:
            raise ValueError(f"expected widths and z of at least 1, got {self}")
        if self.condition not in CONDITIONS:
            raise ValueError(f"condition {self.condition!r}: expected one of {CONDITIONS}")
        if self.init not in INITS:
            raise ValueError(f"init {self.init!r}: expected one of {INITS}")


def up(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution that doubles the side."""
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)


def down(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a convolution that halves the side."""
    return nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)


def norm(channels: int, wanted: bool) -> nn.Module:
    """Return batch norm, or without it the bias that it would have brought."""
    return nn.BatchNorm2d(channels) if wanted else Bias(channels)


class Bias(nn.Module):
    """One learnt number a channel: what is left of batch norm when it does not normalise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add it to maps (n, channels, H, W)."""
        return x + self.bias[:, None, None]


class Generator(nn.Module):
    """From z (n, z), and a class (n,) if it is conditional, to pictures (n, 1, 32, 32) in [−1, 1].

    A one-hot class beside z would add one row of the first layer's weights; ``embed`` looks that
    row up.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design, w, normed = design, design.generator_width, design.batch_norm
        self.project = nn.Linear(design.z, 4 * w * 16, bias=False)
        self.embed = nn.Embedding(CLASSES, 4 * w * 16) if design.condition != "none" else None
        self.body = nn.Sequential(
            norm(4 * w, normed), nn.ReLU(),
            up(4 * w, 2 * w), norm(2 * w, normed), nn.ReLU(),
            up(2 * w, w), norm(w, normed), nn.ReLU(),
            up(w, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        """Return pictures; raise ValueError for a conditional generator without a class."""
        h = self.project(z)
        if self.embed is not None:
            if y is None:
                raise ValueError("this generator is conditional: give the classes y as well")
            h = h + self.embed(y)
        h = h.unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last)
        return self.body(h)


class Discriminator(nn.Module):
    """From pictures (n, 1, 32, 32) in [−1, 1], and a class if it sees it, to logits (n,).

    The logit is log D(x)/(1 − D(x)): positive where the picture is taken for real. One-hot planes
    beside the picture would pass the first convolution as one number a class and map (but for the
    border); ``embed`` holds these numbers. ``match`` multiplies the last features with a vector of
    the class (Miyato & Koyama, cGANs with projection discriminator, ICLR 2018).
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        w = design.discriminator_width
        self.design, sees = design, design.condition == "both"
        normed = design.batch_norm and not design.spectral
        self.first = down(1, w)
        self.embed = nn.Embedding(CLASSES, w) if sees else None
        self.match = nn.Embedding(CLASSES, 4 * w * 16) if sees else None
        self.body = nn.Sequential(
            nn.LeakyReLU(0.2),
            down(w, 2 * w), norm(2 * w, normed), nn.LeakyReLU(0.2),
            down(2 * w, 4 * w), norm(4 * w, normed), nn.LeakyReLU(0.2),
            nn.Flatten(),
        )  # fmt: skip
        self.last = nn.Linear(4 * w * 16, 1, bias=False)

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits; raise ValueError where the class is asked for and absent."""
        h = self.first(x.contiguous(memory_format=torch.channels_last))
        if self.embed is None or self.match is None:
            return self.last(self.body(h)).squeeze(1)
        if y is None:
            raise ValueError("this discriminator sees the class: give the classes y as well")
        h = self.body(h + self.embed(y)[:, :, None, None])
        return self.last(h).squeeze(1) + (h * self.match(y)).sum(1)


def initialise(net: nn.Module, rng: torch.Generator) -> None:
    """Draw weights from N(0, 0.02) and batch norm's from N(1, 0.02), as DCGAN does."""
    for name, p in net.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(p)
        else:
            nn.init.normal_(p, 1.0 if p.ndim == 1 else 0.0, 0.02, generator=rng)


def build(design: Design, seed: int) -> tuple[Generator, Discriminator]:
    """Return a pair of networks in training mode, its weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G, D = Generator(design), Discriminator(design)
    if design.init == "dcgan":
        rng = torch.Generator().manual_seed(seed)
        initialise(G, rng)
        initialise(D, rng)
    if design.spectral:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for module in [*D.modules()]:
                if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
                    spectral_norm(module)
    G.to(memory_format=torch.channels_last)
    D.to(memory_format=torch.channels_last)
    return G, D


def parameters(net: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(p.numel() for p in net.parameters())
