"""What the tests of the engine share."""

import pytest

from skreg.engine import classes, measuring


@pytest.fixture
def in_parts(monkeypatch):
    """Return a function from which on all targets count as large: kept as codes, and measured in parts of few rows."""

    def start():
        monkeypatch.setattr(classes, "MAX_DENSE_BYTES", 1000)
        monkeypatch.setattr(measuring, "MAX_WHOLE_BYTES", 0)
        monkeypatch.setattr(measuring, "MAX_PART_BYTES", 4000)

    return start
