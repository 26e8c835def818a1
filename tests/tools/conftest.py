"""Skips, with a reason, what needs files that are not at hand."""

import pytest

from practicals.data import fetch


@pytest.fixture
def needs():
    """Skip a test whose files are not at hand; the reason names them."""

    def check(*names: str) -> None:
        absent = [name for name in names if not fetch.available(name)]
        if absent:
            pytest.skip(f"needs {', '.join(absent)}: make data, or DATA_MIRROR")

    return check
