"""Every costly knob of a chapter, once, with its full value."""

from dataclasses import dataclass

ALL_NETWORKS = tuple("squeezenet1_0 mobilenet_v2 googlenet inception_v3 vgg16".split())


@dataclass(frozen=True)
class TransferBudget:
    """Knobs of chapter 1.

    Features of a picture of 224 pixels take about 17 ms on MobileNetV2, 26 on SqueezeNet, 34 on
    Inception and 45 on GoogLeNet, on one core with bfloat16 units. A training step of the small
    network takes about 1 ms a picture.
    """

    networks: tuple[str, ...] = ALL_NETWORKS
    image_size: int = 224
    """Side of the networks' square input, in pixels; half where only leading layers are at hand."""
    large_size: int = 299
    """Side of the larger square at which whole pictures are read for the improved features."""
    test_images: int = 2985
    """Test pictures, drawn at random; 2,985 are all of them."""
    views: tuple[tuple[str, str, int], ...] = (
        ("inception_v3", "whole", 299),
        ("googlenet", "whole", 224),
        ("inception_v3", "whole", 224),
        ("mobilenet_v2", "whole", 299),
        ("vgg16", "whole", 224),
        ("squeezenet1_0", "whole", 224),
        ("mobilenet_v2", "whole", 224),
        ("mobilenet_v2", "crop", 224),
        ("mobilenet_v2", "mirror", 224),
        ("mobilenet_v2", "coarse", 224),
    )
    """Features that are extracted: network, way to show a picture, side; the costliest first."""
    base: str = "mobilenet_v2"
    """The network on which each view is tried, and whose features face training from scratch."""
    joined_stages: tuple[int, ...] = (3, 5, 7, 9)
    """How many of a network's last stages to try to join."""
    rbf_widths: tuple[float, ...] = (0.125, 0.25, 0.5)
    C_grid: tuple[float, ...] = tuple(10 ** (k / 2) for k in range(-2, 9))
    folds: int = 5
    cv_repeats: int = 2
    """Divisions into folds that cross-validation averages over, layer by layer."""
    ladder_repeats: int = 5
    """The same where improvements are compared, which differ by less."""
    random_splits: int = 10
    per_class: int = 100
    """Training images per class in a random split."""
    sizes: tuple[int, ...] = (5, 10, 25, 50, 100)
    """Training pictures per class of the learning curves."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of the learning curves: a seed draws the pictures, the start and the batches."""
    scratch_size: int = 32
    """Side of the input, in pixels, when a network is trained from scratch."""
    scratch_epochs: int = 20
    scratch_steps: int = 150
    """Least number of steps of a training from scratch."""
    scratch_lrs: tuple[float, ...] = (0.02, 0.06, 0.2)
    head_epochs: int = 300
    finetuned: tuple[str, ...] = ("squeezenet1_0", "mobilenet_v2")
    """Networks whose last block is fine-tuned."""
    finetune_epochs: int = 5
    finetune_lrs: tuple[float, ...] = (0.01, 0.03)
    finetune_seeds: tuple[int, ...] = (0, 1, 2)
    digits: int = 100
    """Training digits per class in the far domain; twice as many for the test."""
    digit_side: int = 112
    """Side, in pixels, to which digits are enlarged for the networks."""


@dataclass(frozen=True)
class AdversarialBudget:
    """Knobs of chapter 3; sizes of perturbations in grey levels of 255."""

    networks: tuple[str, ...] = ("squeezenet1_0", "mobilenet_v2", "googlenet", "vgg16")
    image_size: int = 160
    """Side of the input, in pixels: the largest at which three networks fit the time."""
    images: int = 200
    """Correctly classified pictures of the main success rates."""
    heavy: tuple[str, ...] = ("googlenet",)
    """Networks that cost five times as much as the others: they get half of the pictures."""
    steps: int = 10
    """Steps of PGD."""
    long_steps: int = 50
    strong_steps: int = 20
    """Steps of each of APGD's two losses."""
    noise_draws: int = 3
    """Random perturbations per picture: the control."""
    fooling_steps: int = 100
    curve_images: int = 20
    radii: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0)
    nearest_images: int = 40
    nearest_steps: int = 30
    transfer_images: int = 60
    transfer_radius: float = 8.0
    square_images: int = 40
    square_radius: float = 8.0
    square_queries: int = 5000
    pixel_size: int = 112
    """Side of the input for few-pixel attacks, which cost hundreds of passes a picture."""
    pixel_images: int = 100
    pixel_few: int = 30
    """Of these, for searches of several pixels, with a target, and on other networks."""
    pixel_counts: tuple[int, ...] = (1, 3, 5)
    pixel_population: int = 40
    pixel_generations: int = 8
    pixel_long: int = 12
    """The first of these, which get a long search."""
    pixel_long_generations: int = 100
    digit_images: int = 40
    """Digits whose few-pixel attacks have the published budget."""
    digit_population: int = 400
    digit_generations: int = 100
    patch_side: int = 64
    """Pixels of the patch itself."""
    patch_steps: int = 150
    patch_train: int = 100
    patch_images: int = 100
    patch_sizes: tuple[float, ...] = (0.15, 0.25, 0.35, 0.45, 0.55)
    """Diameters of the patch, as shares of the picture's side."""
    defence_images: int = 40
    defence_radius: float = 4.0
    defence_queries: int = 300
    draws: int = 4
    """Draws of a random defence that an attacker averages over."""
    digits: int = 60000
    digit_epochs: int = 5
    digit_steps: int = 5
    digit_radius: float = 0.2
    """Radius of adversarial training, in pixels of [0, 1]."""
    robust_images: int = 1000
    robust_queries: int = 1000


@dataclass(frozen=True)
class AdaptationBudget:
    """Knobs of chapter 5."""

    seeds: tuple[int, ...] = (11, 12, 13, 14, 15)
    """Of reported runs; development looked at target accuracies with seeds 0 to 4 and 100."""
    few: int = 3
    """How many of the seeds the study of settings takes."""
    choice_seed: int = 100
    """Seed of the candidates among which a setting is chosen; no reported run has it."""
    steps: int = 3000
    """Steps of every row of the table; a step sees one batch of each domain."""
    short_steps: int = 400
    """Steps of the candidates, of the sweep of λ and of the study of settings."""
    bound_steps: int = 9000
    """Steps of the training on target labels, the bound."""
    batch_size: int = 64
    lrs: tuple[float, ...] = (0.05, 0.1)
    """Step sizes among which reverse validation chooses, for either network."""
    own_lams: tuple[float, ...] = (0.6, 1.0)
    """Values of λ among which it chooses for our network."""
    paper_lams: tuple[float, ...] = (0.3, 1.0)
    """The same for the published network."""
    back_steps: int = 100
    """Steps of the way back in reverse validation."""
    looks: int = 10
    """Looks at a run that is watched while it trains."""
    lams: tuple[float, ...] = (0.0, 0.3, 1.0, 3.0, 10.0)
    """Values of λ in the sweep."""
    plain: tuple[str, ...] = ("source_only", "own_batch_norm", "dann")
    """Rows that are also trained without inversion."""
    pseudo_rounds: int = 4
    threshold: float = 0.8
    """Probability from which a prediction becomes a pseudo-label."""
    other_thresholds: tuple[float, ...] = (0.5, 0.95)
    pool: int = 59000
    """Unlabelled pictures of a round, at most: here all that are not held out."""
    shift: int = 1
    """Largest shift of a pupil's training batch, in pixels."""
    shown: int = 800
    """Pictures of each domain whose features are drawn."""


@dataclass(frozen=True)
class ClassvisBudget:
    """Knobs of chapter 4. The pictures of the study are small: a step's cost grows with the area.

    One step of one picture of 96 pixels takes 11.5 ms on SqueezeNet, 26 on GoogLeNet and 8 on
    MobileNetV2, on one core and in single precision (224 pixels: five times as long). The full
    profile takes 20 minutes on two cores.
    """

    networks: tuple[str, ...] = ("squeezenet1_0", "googlenet", "mobilenet_v2", "vgg16")
    """The first one is climbed in the study; the others judge."""
    side: int = 96
    """Side of the pictures of the study, in pixels."""
    large_side: int = 224
    """Side of one picture at the networks' usual size, beside a small one."""
    classes: int = 12
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: tuple[int, ...] = (96, 200, 500, 1000)
    """Steps of the published recipe at which its pictures are scored; the last is its length."""
    olah_steps: tuple[int, ...] = (12, 24, 48, 96)
    yosinski_steps: int = 256
    wider_steps: int = 192
    """Steps of Olah's recipe with wider transforms."""
    short_steps: int = 96
    """Steps of every run that is compared with another of the same length."""
    frames: int = 8
    """Pictures of an animation."""
    atlas: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("googlenet", ("i3a", "i4a", "i4c", "i4e")),
        ("vgg16", ("relu1_2", "relu2_2", "relu3_3")),
    )
    """Layers whose channels are drawn, by network."""
    atlas_channels: int = 4
    atlas_images: int = 275
    """Pictures among which those that excite a channel most are looked for."""


@dataclass(frozen=True)
class GanBudget:
    """Knobs of chapter 6.

    One step at batch 128 takes 77 ms at width 16, 200 ms at 32 and 545 ms at 64, in single
    precision on one core; 22 ms at width 16 and batch 32, which the full profile trains: some
    80,000 steps in 17 minutes of two cores without bfloat16, and scoring and controls in 6 more.
    """

    width: int = 16
    """Maps of the largest layers, of 16 × 16."""
    z: int = 100
    batch_size: int = 32
    steps: int = 2750
    """Steps of a main run, with the class and without it."""
    row_steps: int = 1000
    """Steps of an experiment; the default among them has as many."""
    short_steps: int = 500
    """Steps of the cases provoked on purpose, and of the comparison of cD(x, y) with cD(x)."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Of main runs and of the experiments that claims stand on."""
    row_seeds: tuple[int, ...] = (0, 1, 2)
    """Of the cases provoked on purpose, and of precision."""
    other_seeds: tuple[int, ...] = (0,)
    """Of the remaining experiments."""
    looks: int = 10
    """Looks at the digits of fixed z in a main run."""
    judge_epochs: int = 3
    scored: int = 10000
    compared: int = 3000
    """Digits of either side in scores that look for neighbours."""
    sizes: tuple[int, ...] = (500, 1000, 2000, 5000, 10000, 20000)
    """Numbers of real digits whose Fréchet distance from as many others is measured."""
    synthetic: int = 20000
    """Generated digits that a classifier learns from."""
    synthetic_epochs: int = 3
    styles: int = 400
    """z that are drawn in every class."""
    searched: int = 500
    """Digits whose nearest training digit is looked up."""
    toy_steps: int = 3000
    """Steps of the games in the plane."""
