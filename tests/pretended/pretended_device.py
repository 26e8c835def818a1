"""A device that is none: tensors on it compute on the CPU and refuse what a GPU's would refuse.

``install()`` gives torch the device ``elsewhere``. A tensor there cannot meet one of the CPU in one
operation, nor become an array of NumPy, nor be drawn from a generator of the CPU. So a machine
without a GPU finds what would fail on one. Numbers are those of the CPU, and slower.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import backend_registration
from torch.utils._pytree import tree_flatten, tree_map

NAME = "elsewhere"
CARRIES = {"copy_", "_to_copy", "_foreach_copy_"}
"""Operations between two devices: they carry values over."""
INDEXES = {"index", "index_put", "index_put_", "_index_put_impl_"}
"""Operations that take indices from the CPU as well."""


class Elsewhere(torch.Tensor):
    """A tensor whose device is ``elsewhere`` and whose values lie in ``raw``, on the CPU."""

    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> "Elsewhere":
        """Wrap a tensor of the CPU, which keeps its memory and its layout."""
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=torch.device(NAME, 0),
        )
        made.raw = raw
        return made

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        """Show the values."""
        return f"{NAME}({self.raw!r})"

    def tolist(self) -> Any:
        """Return the values, as for every device."""
        return self.raw.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """Refuse: an array shares memory with the CPU."""
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu()")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse as ``numpy`` does."""
        return self.numpy()

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Compute one operation; in inference mode it comes whole and is taken apart first."""
        kwargs = kwargs or {}
        if torch.is_inference_mode_enabled():
            with torch.inference_mode(False), torch.no_grad():
                found = func.decompose(*args, **kwargs)
                return computed(func, args, kwargs) if found is NotImplemented else found
        return computed(func, args, kwargs)


def _refuse(name: str, flat: list[Any], device: str | None) -> None:
    """Raise RuntimeError for what a GPU's tensors would not do together."""
    tensors = [a for a in flat if isinstance(a, torch.Tensor)]
    there = [a for a in tensors if isinstance(a, Elsewhere)]
    here = [a for a in tensors if not isinstance(a, Elsewhere) and a.dim() > 0]
    if there and here and name not in CARRIES | INDEXES:
        raise RuntimeError(f"{name}: expected all tensors on one device, found {NAME}:0 and cpu")
    if name in INDEXES and there and not isinstance(tensors[0], Elsewhere):
        raise RuntimeError(f"{name}: a tensor of the CPU takes indices of the CPU, not of {NAME}")
    generators = [a for a in flat if isinstance(a, torch.Generator)]
    if generators and (there or device == NAME) and generators[0].device.type != NAME:
        raise RuntimeError(f"{name}: expected a generator of {NAME}, found one of the CPU")


def computed(func: Any, args: tuple, kwargs: dict) -> Any:
    """Return what an operation gives, on the device where torch would leave it."""
    name, (flat, _) = func._schema.name.split("::")[1], tree_flatten((args, kwargs))
    device = None if kwargs.get("device") is None else torch.device(kwargs["device"]).type
    _refuse(name, flat, device)
    raw_args, raw = tree_map(lambda a: a.raw if isinstance(a, Elsewhere) else a, (args, kwargs))
    raw |= {"device": "cpu"} if device == NAME else {}
    raw |= {"pin_memory": False} if "pin_memory" in raw else {}
    with torch.inference_mode(False):
        found = func(*raw_args, **raw)
    there = [a for a in flat if isinstance(a, Elsewhere)]
    if name == "_to_copy" and (device == "cpu" or (device is None and not there)):
        return found
    # What an operation changed in place is the caller's own tensor, not a second wrapper.
    known = {id(a.raw): a for a in there} | {id(a): a for a in flat}

    def wrapped(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return known[id(value)] if id(value) in known else Elsewhere(value)

    return tree_map(wrapped, found)


class _Module:
    """What torch asks of the module of a device."""

    is_available: Callable[[], bool] = staticmethod(lambda: True)
    device_count: Callable[[], int] = staticmethod(lambda: 1)
    current_device: Callable[[], int] = staticmethod(lambda: 0)
    _is_in_bad_fork: Callable[[], bool] = staticmethod(lambda: False)
    manual_seed_all: Callable[[int], None] = staticmethod(lambda seed: None)
    synchronize: Callable[..., None] = staticmethod(lambda *which: None)
    get_rng_state: Callable[..., torch.Tensor] = staticmethod(lambda *which: torch.get_rng_state())
    set_rng_state: Callable[..., None] = staticmethod(lambda state, *which: None)
    get_amp_supported_dtype: Callable[[], list] = staticmethod(lambda: [torch.bfloat16])


def _from_the_cpu(make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Return ``torch.tensor`` or ``as_tensor`` with a detour: torch's own way skips the wrapper."""

    def made(data: Any, *, device: Any = None, requires_grad: bool = False, **kw: Any) -> Any:
        there = make(data, **kw) if device is None else make(data, **kw).to(device)
        return there.requires_grad_() if requires_grad else there

    return made


# Torch's own way to write a device in Python; its name says that it may still change.
SET_UP = getattr(backend_registration, "_setup_privateuseone_for_python_backend", None)


def install() -> None:
    """Give torch the device, once in the life of a process; raise RuntimeError for an old torch."""
    if SET_UP is None:
        raise RuntimeError(f"torch {torch.__version__} knows no devices written in Python: update")
    if hasattr(torch, NAME):
        return
    torch.tensor, torch.as_tensor = _from_the_cpu(torch.tensor), _from_the_cpu(torch.as_tensor)
    SET_UP(NAME, backend_module=_Module())
    install.library = torch.library.Library("_", "IMPL")  # kept: it ends with its object
    install.library.fallback(lambda op, *a, **k: computed(op, a, k), "PrivateUse1")
