from __future__ import annotations

import pytest
from course import Recording


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Recording:
    """Return what runs trainings and catches all that they compute with."""
    return Recording(monkeypatch)
