"""Profiles by name."""

import pytest

from practicals import profile, sizes


def test_unknown_profile_suggests_the_nearest(monkeypatch):
    monkeypatch.setenv("PROFILE", "ful")
    with pytest.raises(profile.UnknownProfile, match="'full'"):
        profile.current()
    monkeypatch.delenv("PROFILE")
    assert profile.current().name == "sample"


@pytest.mark.parametrize("size", [sizes.lab, sizes.sample])
def test_a_smaller_profile_has_a_budget_for_every_chapter(size):
    """One without would spend the published budget in silence."""
    assert set(size()) == set(profile.BUDGET_OF.values())
