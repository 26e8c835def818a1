"""The two digit networks of chapter 3 as files, for whoever wants to attack them."""

from pathlib import Path

import torch

from .. import paths
from ..paths import atomic_path
from ..profile import AdversarialBudget, Profile
from .defence import DigitNetwork
from .study import DigitBudget, digit_network

PREFIX = "adversarial"


def networks(of: Profile) -> dict[str, DigitNetwork]:
    """Return chapter 3's two digit networks, from its cache where it trained them before."""
    budget: AdversarialBudget = of.adversarial
    radii = {"plain": (0.0, 1), "robust": (budget.digit_radius, budget.digit_steps)}
    return {
        name: digit_network(
            of.is_real, eps, DigitBudget(budget.digits, budget.digit_epochs, steps), of.seed
        )
        for name, (eps, steps) in radii.items()
    }


def keep(of: Profile, base: Path | None = None) -> list[Path]:
    """Write the weights of both networks to ``data/models/`` below ``base``; return the files.

    Without ``base`` they go to the profile's outputs, over what is published there.
    """
    folder, files = (base or paths.output_dir(of.name)) / "data" / "models", []
    for name, net in networks(of).items():
        files.append(folder / f"{PREFIX}-{name}.pt")
        # To a stream: torch would write the temporary file's name into the archive.
        with atomic_path(files[-1]) as partial, partial.open("wb") as stream:
            torch.save(net.state_dict(), stream)
    return files
