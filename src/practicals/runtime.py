"""Seed, device, and the fastest precision that is safe on this machine."""

import os
import platform
import random

import numpy as np
import torch


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, NumPy and torch; return a CPU generator with the same seed."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def device() -> torch.device:
    """Return CUDA, else Apple's MPS, else the CPU (environment: ``PRACTICALS_DEVICE``)."""
    override = os.environ.get("PRACTICALS_DEVICE")
    if override:
        return torch.device(override)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def has_bfloat16_units(where: torch.device | None = None) -> bool:
    """Return whether ``where`` multiplies bfloat16 in hardware (AMX, AVX512-BF16 or CUDA ≥ 8.0)."""
    where = where or device()
    if where.type == "cuda":
        return torch.cuda.get_device_capability(where)[0] >= 8
    if where.type != "cpu":
        return False
    # The functions are private in torch; a release without them simply means float32.
    asks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, ask, lambda: False)() for ask in asks)


def fastest_dtype(where: torch.device | None = None) -> torch.dtype:
    """Return bfloat16 where the processor has units for it, else float32."""
    return torch.bfloat16 if has_bfloat16_units(where) else torch.float32


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
    """Return a context in which products run in bfloat16, where the processor has units for it.

    Weights, losses and every assessment stay in single precision.
    """
    device = torch.device(device)
    enabled = has_bfloat16_units(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
