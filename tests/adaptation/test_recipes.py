"""Schedules and augmentation."""

import math

import pytest
import torch
from torch.nn import functional as F

from practicals.adaptation import recipes


def test_schedules_begin_and_end_where_the_paper_says():
    assert recipes.lambda_at(0, 1) == 0
    assert recipes.lambda_at(1, 2) == pytest.approx(2 * (2 / (1 + math.exp(-10)) - 1))
    assert recipes.ganin_decay(0) == 1
    assert recipes.ganin_decay(1) == pytest.approx(11**-0.75)
    assert recipes.one_cycle(0.2) == pytest.approx(1) and recipes.one_cycle(1) == pytest.approx(0)


def test_inversion_inverts_each_channel_or_leaves_it():
    x = torch.rand(50, 3, 4, 4)
    found = recipes.augmented(x, "invert", torch.Generator().manual_seed(0))
    same = torch.isclose(found, x).all((2, 3))
    inverted = torch.isclose(found, 1 - x).all((2, 3))
    assert (same | inverted).all() and 0.3 < same.float().mean() < 0.7
    assert (same.sum(1) % 3 != 0).any()  # the channels of one picture fall independently


def test_recolouring_stays_in_range_and_keeps_the_drawing():
    x = torch.rand(50, 3, 4, 4)
    found = recipes.augmented(x, "recolour", torch.Generator().manual_seed(0))
    assert found.min() >= 0 and found.max() <= 1
    a, b = x.flatten(2), found.flatten(2)
    a, b = (v - v.mean(2, keepdim=True) for v in (a, b))
    assert (F.cosine_similarity(a, b, dim=2).abs() > 0.999).float().mean() > 0.95


@pytest.mark.parametrize("wrong", [{"method": "dnan"}, {"augment": "x"}, {"schedule": "x"}])
def test_unknown_parts_of_a_recipe_are_refused(wrong):
    with pytest.raises(ValueError, match="expected one of"):
        recipes.Recipe(**wrong)
