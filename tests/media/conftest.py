"""The studio: where the files of these tests are made, once for all processes of a run."""

import pytest
from media_kit import Studio


@pytest.fixture(scope="session")
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    base = tmp_path_factory.getbasetemp()
    return Studio((base.parent if hasattr(request.config, "workerinput") else base) / "studio")
