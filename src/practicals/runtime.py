"""Seed, device, and the fastest precision that is safe on this machine."""

import os
import platform
import random

import numpy as np
import torch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""What networks multiply in, by the name that ``PRACTICALS_PRECISION`` gives it."""


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, NumPy and torch; return a CPU generator with the same seed."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def device() -> torch.device:
    """Return CUDA, else Apple's MPS, else the CPU; the environment's ``PRACTICALS_DEVICE`` decides.

    Raises ValueError where that names no device of this machine.
    """
    if override := os.environ.get("PRACTICALS_DEVICE"):
        try:
            torch.empty(0, device=override)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(
                f"PRACTICALS_DEVICE={override!r}: torch finds no such device here; expected 'cpu', "
                "'cuda', 'cuda:1' or 'mps', or leave it unset to take the fastest"
            ) from error
        return torch.device(override)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _has_bfloat16_units(where: torch.device) -> bool:
    """Return whether ``where`` multiplies bfloat16 in hardware (AMX, AVX512-BF16 or CUDA ≥ 8.0)."""
    if where.type == "cuda":
        return torch.cuda.get_device_capability(where)[0] >= 8
    if where.type != "cpu":
        return False
    # The functions are private in torch; a release without them simply means float32.
    asks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, ask, lambda: False)() for ask in asks)


def fastest_dtype(where: torch.device | None = None) -> torch.dtype:
    """Return bfloat16 where ``where`` has units for it, else float32.

    The environment's ``PRACTICALS_PRECISION`` decides, so that one machine can do what another one
    does. Raises ValueError where that is neither ``float32`` nor ``bfloat16``.
    """
    if override := os.environ.get("PRACTICALS_PRECISION"):
        if override not in PRECISIONS:
            raise ValueError(
                f"PRACTICALS_PRECISION={override!r}: expected one of {sorted(PRECISIONS)}, "
                "or leave it unset to take the fastest"
            )
        return PRECISIONS[override]
    return PRECISIONS["bfloat16" if _has_bfloat16_units(where or device()) else "float32"]


def describe() -> dict[str, str]:
    """Return what a reader needs to judge a run time: device, precision, threads, versions."""
    where = device()
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else platform.machine()
    return {
        "device": f"{where.type} ({name})",
        "precision": str(fastest_dtype(where)).removeprefix("torch."),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def mixed_precision(device: torch.device | str) -> torch.autocast:
    """Return a context in which products run in ``fastest_dtype``'s precision.

    Weights, losses and every assessment stay in single precision.
    """
    device = torch.device(device)
    enabled = fastest_dtype(device) == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
