"""How suggested commands name the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrtui.store.location import VARIABLE, store_option


def test_a_suggested_command_names_the_store_unless_it_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "default"))
    assert store_option(tmp_path / "default") == ""
    assert store_option(tmp_path / "other") == f" --store {tmp_path / 'other'}"


def test_the_name_of_the_store_is_quoted_for_the_shell(tmp_path: Path) -> None:
    assert store_option(tmp_path / "my runs") == f" --store '{tmp_path / 'my runs'}'"
