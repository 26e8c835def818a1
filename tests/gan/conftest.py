"""A scene of sample digits with a quickly trained judge, once for all tests; no downloads."""

import pytest

from practicals.gan import judge


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICALS_DATA", str(tmp_path_factory.mktemp("data")))
        found = judge.Scene(real=False, judge_epochs=6, scored=300, compared=200)
        judge.judge(found)
        yield found
