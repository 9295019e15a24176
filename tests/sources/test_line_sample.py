from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from text_logs import SeriesSoFar, reader_of

from lrtui.sources.text import line_sample
from lrtui.sources.text.csv_log import CsvLogs
from lrtui.sources.text.jsonl import JsonLines
from lrtui.sources.text.line_sample import sample_lines
from lrtui.sources.text.lrtui_export import LrtuiExport

STEPS = 40_000


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(line_sample, "LEAST_BYTES", 200_000)
    monkeypatch.setattr(line_sample, "_ENDS_BYTES", 2_000)
    monkeypatch.setattr(line_sample, "_PLACE_BYTES", 500)
    return tmp_path / "log.csv"


def test_the_sample_of_a_table_is_a_part_of_its_series_with_both_ends(path: Path) -> None:
    path.write_text("step,loss\n" + "".join(f"{step},{step / 7}\n" for step in range(STEPS)))
    reader, sampled = reader_of(CsvLogs, path), SeriesSoFar()
    part = reader.sample()
    assert part is not None
    sampled.add(part)
    points = sampled.series["loss"]
    assert (points[0][0], points[-1][0]) == (0, STEPS - 1)
    assert 500 < len(points) < STEPS / 4
    assert max(after[0] - before[0] for before, after in pairwise(points)) < STEPS / 50
    # reading starts at the start
    whole = SeriesSoFar().read_all(reader)["loss"]
    assert len(whole) == STEPS
    assert set(points) <= set(whole)


def test_json_lines_with_steps_have_a_sample(path: Path) -> None:
    path.write_text("".join(f'{{"step": {step}, "loss": 0.5}}\n' for step in range(STEPS)))
    part = reader_of(JsonLines, path).sample()
    assert part is not None
    assert len(part.items) == 1


@pytest.mark.parametrize(
    "text",
    [
        "step,loss\n" + "1,2\n" * 100,
        "loss,lr\n" + "0.5,0.001\n" * STEPS,
        "epoch,batch,loss\n" + "".join(f"{step // 100},{step % 100},0.5\n" for step in range(STEPS)),
        "step,loss\n" + "".join(f"{step % 9000},0.5\n" for step in range(STEPS)),
        "x" * 500_000,
        "",
    ],
)
def test_a_small_log_and_one_whose_steps_follow_from_other_lines_have_none(path: Path, text: str) -> None:
    path.write_text(text)
    assert reader_of(CsvLogs, path).sample() is None


def test_events_have_no_sample(path: Path) -> None:
    path.write_text('{"event": "step_done"}\n' * STEPS)
    assert reader_of(LrtuiExport, path).sample() is None


def test_a_file_that_is_not_there_has_none(path: Path) -> None:
    assert sample_lines(path) == b""
    assert sample_lines(path.parent) == b""
