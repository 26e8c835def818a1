"""What belongs to which notebook: its figures, and the budgets of the profile that it spends.

To register a figure, add a line to the notebook's entry in ``FIGURES_OF``: its short name and the
formats it is written in. ``figures.save`` then takes it as ``<notebook stem>-<short name>``.
"""

BOTH = ("pdf", "png")
"""Line drawings: vectors for print, pixels for the screen."""
RASTER = ("png",)
"""Photographs and maps: a PDF of these is many times the size and no sharper."""
ANIMATED = ("gif", "png")
"""An animation, and the still that stands for it in print."""

FIGURES_OF: dict[str, dict[str, tuple[str, ...]]] = {
    "1-transfer-learning": {},
}

BUDGET_OF: dict[str, str] = {
    "1-transfer-learning": "transfer",
    "2-saliency": "saliency",
    "3-adversarial": "adversarial",
    "4-class-visualization": "classvis",
    "5-domain-adaptation": "adaptation",
    "6-gan": "gan",
}
"""Which field of ``profile.Profile`` a notebook spends; the fields of no notebook are common."""

SAMPLE_ONLY = ("sample_net",)
"""Fields of ``profile.Profile`` that only the sample profile reads."""
