"""What the README says is what the program does."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from kept import keep
from recorded_runs import recorded_run

from lrtui.__main__ import COMMANDS, main
from lrtui.run.events import EpochDone, EvalDone, LrSet

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SNAPSHOTS = ROOT / "tests" / "tui" / "__snapshots__"


def test_the_table_of_keys_is_the_programs_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "--markdown"]) == 0
    assert capsys.readouterr().out.strip() in README


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_it(command: str) -> None:
    assert f"lrtui {command}" in README or f"`{command}`" in README


def test_its_queries_answer(tmp_path: Path) -> None:
    events = recorded_run(330, nudge_at=130)
    changes = [replace(event, command="lr*1.25") if isinstance(event, LrSet) else event for event in events]
    keep(tmp_path, changes)
    # any tool that knows nothing of lrtui
    connection = sqlite3.connect(tmp_path / "runs.db")
    queries = re.findall(r"```sql\n(.*?)```", README, re.S)
    best, by_epoch, by_hand = (connection.execute(query).fetchall() for query in queries)
    connection.close()
    results = [event for event in events if isinstance(event, EvalDone)]
    top = max(results, key=lambda event: event.accuracy or 0.0)
    assert best == [(1, "StepLR(step_size=1, gamma=0.5)", top.accuracy, top.epoch)]
    lrs = [event.lrs[0] for event in events if isinstance(event, EpochDone)]
    assert by_epoch == [
        (1, event.epoch, event.loss, event.accuracy, lr) for event, lr in zip(results, lrs, strict=True)
    ]
    assert by_hand == [(1, 130, "lr_set", "lr*1.25")]


def test_its_table_of_the_store_has_every_table_and_column(tmp_path: Path) -> None:
    keep(tmp_path, recorded_run(10))
    connection = sqlite3.connect(tmp_path / "runs.db")
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    for (table,) in tables:
        if table.startswith("sqlite_"):
            continue
        row = re.search(rf"^\| `{table}` \| (.*) \|$", README, re.M)
        assert row, table
        for column in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall():
            assert re.search(rf"\b{column[0]}\b", row[1]), f"{table}.{column[0]}"
    connection.close()


@pytest.mark.parametrize(
    ("picture", "snapshot"),
    [
        ("cockpit", "test_snapshots/test_cockpit[120x36-switched]"),
        ("picker", "test_snapshots/test_picker[120x36-switched]"),
        ("compare", "test_snapshots_screens/test_compare[120]"),
        ("small", "test_snapshots/test_cockpit[80x24-switched]"),
    ],
)
def test_its_pictures_are_those_of_the_tests(picture: str, snapshot: str) -> None:
    assert (ROOT / "assets" / f"{picture}.svg").read_text() == (SNAPSHOTS / f"{snapshot}.svg").read_text()
