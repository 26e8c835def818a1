"""The sample domains, made once for all tests of the chapter; no downloads."""

import pytest

from practicals.adaptation import domains as digit_domains


@pytest.fixture(scope="session")
def domains(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICALS_DATA", str(tmp_path_factory.mktemp("data")))
        return digit_domains.load(real=False)
