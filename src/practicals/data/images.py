"""Reading pictures: the one preprocess and deprocess, and the names of the 1,000 classes."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torchvision.models._meta import _IMAGENET_CATEGORIES

CLASS_NAMES: tuple[str, ...] = tuple(_IMAGENET_CATEGORIES)
# Left to itself Pillow goes by content, and would start Ghostscript for a PostScript file.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
TOPS = {"I": 65535, "F": 1.0}
"""White in Pillow's deeper modes: 16-bit grey (also kept in 32 bits), and float."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
RESIZE_RATIO = 256 / 224
"""Shorter side over crop side in ImageNet's usual evaluation."""
Source = Path | str | np.ndarray
"""A picture: a file, or an array of shape (H, W) or (H, W, 3), uint8."""


class ImageError(ValueError):
    """Raised for a picture that cannot be read; names the file."""


def _from_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise ImageError(
            f"expected a uint8 array of shape (H, W) or (H, W, 3), got {array.dtype} {array.shape}"
        )
    return Image.fromarray(array)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to 8-bit RGB; deeper grey is scaled, transparency is laid on white."""
    if image.mode[0] in TOPS:
        grey, top = np.asarray(image).astype(np.float64), TOPS[image.mode[0]]
        if not (grey.min() >= 0 and grey.max() <= top):
            raise ImageError(f"expected pixels from 0 to {top:g}, got {grey.min()} to {grey.max()}")
        image = Image.fromarray(np.round(grey * (255 / top)).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def read(source: Source) -> Image.Image:
    """Read one picture as upright 8-bit RGB, whatever its mode (grey, CMYK, 16-bit, palette).

    Raise ImageError for a file that is missing, corrupt, cut short, huge or not a picture.
    """
    if isinstance(source, np.ndarray):
        return _to_rgb(_from_array(source))
    if not Path(source).is_file():  # a named pipe would block for ever
        absent = "is no file" if Path(source).exists() else "is not there"
        raise ImageError(f"no such picture: {source} {absent}")
    try:
        with Image.open(source, formats=FORMATS) as image:
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except (ImageError, Image.DecompressionBombError) as error:
        raise ImageError(f"cannot read {source}: {error}") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise ImageError(
            f"cannot read {source}: {error}. The file is corrupt, cut short or not a picture; "
            "replace or remove it."
        ) from error


def centre_crop(image: Image.Image, size: int, resize: int | None = None) -> Image.Image:
    """Resize the shorter side to ``resize`` (default size · 256/224) and crop the centre square."""
    resized = resize_shorter(image, resize or round(size * RESIZE_RATIO))
    left, top = (round((side - size) / 2) for side in resized.size)
    return resized.crop((left, top, left + size, top + size))


def resize_shorter(image: Image.Image, side: int) -> Image.Image:
    """Resize so that the shorter side has ``side`` pixels, keeping the proportions."""
    width, height = image.size
    scale = side / min(width, height)
    if width <= height:
        return image.resize((side, int(height * scale)), Image.Resampling.BILINEAR)
    return image.resize((int(width * scale), side), Image.Resampling.BILINEAR)


def squash(image: Image.Image, size: int) -> Image.Image:
    """Resize the whole picture to a square of ``size`` pixels; proportions change."""
    return image.resize((size, size), Image.Resampling.BILINEAR)


def to_tensor(image: Image.Image) -> torch.Tensor:
    """Return a picture as a uint8 tensor of shape (3, H, W)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def preprocess(source: Source, size: int = 224) -> torch.Tensor:
    """Read, resize and centre-crop a picture to a float tensor (3, size, size) in [0, 1]."""
    return to_tensor(centre_crop(read(source), size)).float() / 255


def deprocess(x: torch.Tensor) -> np.ndarray:
    """Return a tensor (3, H, W) or (N, 3, H, W) in [0, 1] as uint8 pixels, channels last."""
    return (x.detach().cpu().clamp(0, 1) * 255).round().byte().movedim(-3, -1).numpy()


def stream(
    sources: Sequence[Source],
    transform: Callable[[Image.Image], Image.Image],
    batch_size: int,
    workers: int = 2,
) -> Iterator[torch.Tensor]:
    """Yield uint8 batches (n, 3, H, W) in order, decoding the next ones while the caller computes.

    At most three batches wait in memory. Threads suffice: Pillow releases the interpreter's lock
    while it decodes and resizes.
    """
    batches = (sources[i : i + batch_size] for i in range(0, len(sources), batch_size))

    def load(batch: Sequence[Source]) -> torch.Tensor:
        return torch.stack([to_tensor(transform(read(source))) for source in batch])

    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(load, batch) for batch in islice(batches, workers + 1)]
        try:
            while waiting:
                ready = waiting.pop(0).result()
                waiting += [pool.submit(load, batch) for batch in islice(batches, 1)]
                yield ready
        finally:
            for future in waiting:
                future.cancel()
