"""What all tests share: results are kept in a folder of their own, never in the project's."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory):
    """Keep results of this run apart: an entry of another run would hide what a test asks for."""
    with pytest.MonkeyPatch.context() as patch:
        if "PROVENANCE_CACHE" not in os.environ:
            patch.setenv("PROVENANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
