"""What chapter 2 spends: the full values are the defaults, two smaller sizes stand below."""

from dataclasses import dataclass, replace

from .methods import Config

SCORED = Config(samples=20, steps=16, masks=120)
KNOWN = Config(samples=12, steps=8, masks=80)


@dataclass(frozen=True)
class Settings:
    """Sizes of chapter 2's studies; sides are those of square pictures, in pixels."""

    real: bool = True
    """Whether networks and pictures are the real ones, and not the small stand-ins."""
    networks: tuple[str, ...] = ("squeezenet1_0", "googlenet", "mobilenet_v2", "vgg16")
    """Networks of 1,000 classes; VGG16 only where its whole file was asked for."""
    scenes: tuple[str, ...] = (
        "vgg16", "squeezenet1_0", "googlenet", "mobilenet_v2", "inception_v3",
    )  # fmt: skip
    """Networks with a head for the 15 scenes."""
    side: int = 224
    """Of pictures that are shown, and of those whose predictions are compared."""
    small_side: int = 112
    """Of pictures whose maps are scored: a quarter of the work."""
    pictures: int = 275
    """Pictures searched for wrong predictions."""
    blurred: float = 0.05
    """Largest part of its probability that a picture may keep as a whole when blurred, where the
    pixels that a map marks shall be what brings the class back."""
    scored: int = 60
    """Pictures whose maps are scored by insertion and deletion."""
    points: int = 8
    """Fractions of the pixels on a curve."""
    config: Config = SCORED
    """Of the methods with a sum, where maps are scored."""
    mosaics: int = 16
    """Mosaics of four pictures."""
    mosaic_side: int = 160
    stable: int = 24
    """Pictures whose maps are made twice, before and after invisible noise."""
    shuffles: int = 10
    """Random orders of the last layer's weights, each with four pictures of its own."""
    scene_pictures: int = 30
    """Test scenes whose maps are compared over the networks."""
    known: tuple[str, ...] = ("squeezenet1_0",) * 5 + ("mobilenet_v2",) * 5
    """Whose tail each pair of known-answer networks trains."""
    known_side: int = 160
    known_epochs: int = 6
    known_pictures: int = 16
    """Marked test pictures whose maps both networks of a pair explain."""
    known_config: Config = KNOWN


FULL = Settings()
LAB = replace(
    FULL,
    pictures=120,
    scored=12,
    points=5,
    config=Config(samples=8, steps=8, masks=40),
    mosaics=6,
    stable=8,
    shuffles=3,
    scene_pictures=6,
    known=("squeezenet1_0",) * 4,
    known_epochs=4,
    known_pictures=6,
    known_config=Config(samples=4, steps=4, masks=24),
)
SAMPLE = replace(
    FULL,
    real=False,
    networks=("smallvgg",),
    scenes=("smallvgg",),
    side=64,
    small_side=64,
    mosaic_side=64,
    pictures=40,
    blurred=1.0,
    scored=8,
    points=4,
    config=Config(samples=4, steps=4, masks=16),
    mosaics=3,
    stable=4,
    shuffles=3,
    scene_pictures=4,
    known=("smallvgg",) * 4,
    known_side=64,
    known_epochs=2,
    known_pictures=4,
    known_config=Config(samples=2, steps=2, masks=8),
)
SETTINGS = {"full": FULL, "lab": LAB, "sample": SAMPLE}
