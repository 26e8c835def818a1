"""The knobs of each chapter, one frozen dataclass per chapter; ``profile`` gives their values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TransferBudget:
    """Knobs of chapter 1."""

    networks: tuple[str, ...]
    image_size: int
    """Side of the networks' square input, in pixels."""
    large_size: int
    """Side of the larger square at which whole pictures are read for the improved features."""
    joined_stages: tuple[int, ...]
    """How many of a network's last stages to try to join."""
    rbf_widths: tuple[float, ...]
    C_grid: tuple[float, ...]
    folds: int
    cv_repeats: int
    """Divisions into folds that cross-validation averages over."""
    random_splits: int
    per_class: int
    """Training images per class in a random split."""
    scratch_size: int
    """Side of the input, in pixels, when the architecture is trained from scratch."""
    scratch_epochs: int
    head_epochs: int
    finetune_epochs: int
    finetune_lrs: tuple[float, ...]
    finetune_seeds: tuple[int, ...]


@dataclass(frozen=True)
class SaliencyBudget:
    """Knobs of chapter 2."""

    networks: tuple[str, ...]
    image_size: int
    """Side of the networks' square input, in pixels, in the figures."""
    score_size: int
    """Side of the input, in pixels, where maps are scored over many pictures."""
    images: int
    """Pictures that the scores are averaged over."""
    samples: int
    """Noisy copies of SmoothGrad."""
    steps: int
    """Gradients of an integral."""
    fractions: tuple[float, ...]
    """Fractions of the pixels at which insertion and deletion curves are measured."""
    other_baseline_images: int
    """Pictures whose curves are also measured with the baselines exchanged."""
    squares: int
    """Squares blacked out per picture for infidelity."""
    mosaics: int
    """Mosaics of four pictures for the pointing game."""
    sanity_images: int
    sanity_stages: int
    """Depths of the cascade at which maps are compared."""
    seeds: int
    seed_samples: tuple[int, ...]


@dataclass(frozen=True)
class AdaptationBudget:
    """Knobs of chapter 5."""

    seeds: tuple[int, ...]
    steps: int
    """Steps of a main run; a step sees one batch of each domain."""
    paper_steps: int
    """Steps of the published network, which learns more slowly."""
    paper_lrs: tuple[float, ...]
    """Step sizes among which reverse validation chooses for the published network."""
    paper_lams: tuple[float, ...]
    back_steps: int
    """Steps of the way back in reverse validation."""
    sweep_steps: int
    """Steps of a run in the sweep of λ and in the study of variants."""
    batch_size: int
    lams: tuple[float, ...]
    pseudo_rounds: int
    pseudo_steps: int
    """Steps in a round of pseudo-labels."""
    pool: int
    """Unlabelled pictures of a round."""
    shown: int
    """Pictures of each domain whose features are drawn."""


@dataclass(frozen=True)
class SampleNetBudget:
    """Knobs of the small network that stands in for the ImageNet networks."""

    per_photo: int
    """Training patches per photograph."""
    epochs: int
