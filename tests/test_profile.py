"""Profiles by name."""

import pytest

from practicals import profile


def test_unknown_profile_suggests_the_nearest(monkeypatch):
    monkeypatch.setenv("PROFILE", "ful")
    with pytest.raises(profile.UnknownProfile, match="'full'"):
        profile.current()
    monkeypatch.delenv("PROFILE")
    assert profile.current().name == "sample"
