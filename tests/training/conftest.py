from __future__ import annotations

import pytest
from run_record import RunRecorder


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> RunRecorder:
    """Return what runs trainings and catches all that they compute with."""
    return RunRecorder(monkeypatch)
