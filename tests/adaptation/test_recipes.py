"""Schedules and augmentation."""

import math

import pytest
import torch

from practicals.adaptation import recipes


def test_schedules_begin_and_end_where_the_paper_says():
    assert recipes.lambda_at(0, 1) == 0
    assert recipes.lambda_at(1, 2) == pytest.approx(2 * (2 / (1 + math.exp(-10)) - 1))
    assert recipes.ganin_decay(0) == 1
    assert recipes.ganin_decay(1) == pytest.approx(11**-0.75)
    assert recipes.one_cycle(0.2) == pytest.approx(1) and recipes.one_cycle(1) == pytest.approx(0)


def test_inversion_inverts_each_channel_or_leaves_it():
    x = torch.rand(200, 3, 4, 4)
    x[:, :, 0] = 0
    full = (x > 0).float()
    found = recipes.augmented(x, "invert", torch.Generator().manual_seed(0))
    ways = {
        name: torch.isclose(found, y).all((2, 3))
        for name, y in {"same": x, "turned": 1 - x, "full": full, "full, turned": 1 - full}.items()
    }
    assert torch.stack(list(ways.values())).any(0).all()
    for way in ways.values():
        assert 0.15 < way.float().mean() < 0.35
    dark = ways["turned"] | ways["full, turned"]
    assert (dark.sum(1) % 3 != 0).any()  # the channels of one picture fall independently
    inked = ways["full"] | ways["full, turned"]
    assert torch.isin(inked.sum(1), torch.tensor([0, 3])).all()  # its ink is one


def test_full_ink_covers_every_grey_above_zero_and_inverts_nothing():
    x = torch.rand(200, 3, 4, 4).round(decimals=1)
    found = recipes.augmented(x, "ink", torch.Generator().manual_seed(0))
    same, full = ((found == y).all((1, 2, 3)) for y in (x, (x > 0).float()))
    assert (same | full).all() and 0.35 < full.float().mean() < 0.65
    assert torch.equal(recipes.augmented(x, "none", torch.Generator()), x)


def test_a_shift_moves_the_whole_batch_by_whole_pixels():
    x = torch.zeros(30, 3, 28, 28)
    x[:, :, 14, 14] = 1
    rng, places = torch.Generator().manual_seed(0), set()
    for _ in range(60):
        moved = recipes.shifted(x, 2, rng)
        assert moved.shape == x.shape and (moved.sum((2, 3)) == 1).all()
        _, _, rows, columns = moved.nonzero(as_tuple=True)
        assert len(rows.unique()) == len(columns.unique()) == 1
        places.add((int(rows[0]), int(columns[0])))
    assert {row for row, _ in places} == {column for _, column in places} == set(range(12, 17))
    assert torch.equal(recipes.shifted(x, 0, rng), x)


def test_a_shift_repeats_the_edge():
    x = torch.arange(4.0).repeat(1, 3, 4, 1)
    for _ in range(10):
        moved = recipes.shifted(x, 2, torch.Generator().manual_seed(_))
        assert (moved.diff(dim=3).abs() <= 1).all()


@pytest.mark.parametrize("wrong", [{"method": "dnan"}, {"augment": "x"}, {"schedule": "x"}])
def test_unknown_parts_of_a_recipe_are_refused(wrong):
    with pytest.raises(ValueError, match="expected one of"):
        recipes.Recipe(**wrong)
