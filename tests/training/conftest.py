from __future__ import annotations

import pytest
from run_record import RunRecorder


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> RunRecorder:
    """Return a recorder that runs trainings and records everything they compute."""
    return RunRecorder(monkeypatch)
