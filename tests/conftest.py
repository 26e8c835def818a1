"""What all tests share: results are kept in a folder of their own, never in the project's."""

import os

import pytest

from practicals.data import fetch


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory):
    """Keep results of this run apart: an entry of another run would hide what a test asks for."""
    with pytest.MonkeyPatch.context() as patch:
        if "PROVENANCE_CACHE" not in os.environ:
            patch.setenv("PROVENANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def needs():
    """Skip a test whose files are not at hand; the reason names them."""

    def check(*names: str) -> None:
        absent = [name for name in names if not fetch.available(name)]
        if absent:
            pytest.skip(f"needs {', '.join(absent)}: make data, or DATA_MIRROR")

    return check
