"""What becomes of a run of several processes when one of them raises, ends or hangs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rank_runs import SECONDS, RankRun

from lrtui.run.commands import Pause, Stop
from lrtui.run.events import CheckpointSaved, EvaluationStarted, Event, Paused, RunFinished, StepDone
from lrtui.training.checkpoint.files import ResumePoint, is_intact, saved_files

pytestmark = pytest.mark.xdist_group("rank runs")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., RankRun]]:
    """Return a function that starts a run as `RankRun` does."""
    runs: list[RankRun] = []

    def start(world_size: int, *arguments: Any, **options: Any) -> RankRun:
        runs.append(RankRun(tmp_path / "ranks", world_size, *arguments, **options))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


def trains(events: list[Event]) -> bool:
    return sum(isinstance(event, StepDone) for event in events) > 8


def is_paused(events: list[Event]) -> bool:
    return any(isinstance(event, Paused) for event in events)


def is_testing(events: list[Event]) -> bool:
    return bool(events) and isinstance(events[-1], EvaluationStarted)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("RaisesInOne", "rank 1: loss fails on outputs float32 .* ValueError: the tenth step fails here"),
        # as by a single process
        ("RaisesInFirst", "loss fails on outputs float32 .* ValueError: the tenth step fails here"),
        ("RaisesInAll", "loss fails on outputs float32 .* ValueError: the tenth step fails everywhere"),
        ("Exits", "rank 1: its process has ended"),
        ("WrongData", "the model fails on inputs str: TypeError"),
        ("WrongDataInOne", "rank 1: training_data() fails: ValueError: no such file"),
        ("Diverges", None),
    ],
)
def test_a_rank_that_raises_or_exits_ends_the_run(
    task: str, expected: str | None, started: Callable[..., RankRun]
) -> None:
    last = started(2, task=task).finished()
    assert last.outcome == ("diverged" if expected is None else "failed")
    if expected is not None:
        first, _, second = expected.partition(" .* ")
        assert last.error is not None
        assert last.error.startswith(first)
        assert second in last.error


def test_a_rank_that_hangs_ends_the_run_after_the_limit(started: Callable[..., RankRun]) -> None:
    run = started(3, task="Hangs", limit=10.0)
    last = run.until(lambda events: bool(events) and isinstance(events[-1], RunFinished))[-1]
    assert isinstance(last, RunFinished)
    assert (last.outcome, last.error) == ("failed", "rank 1: no answer within 10 seconds")


def is_set_up(events: list[Event]) -> bool:
    return bool(events)


@pytest.mark.parametrize(("rank", "during"), [(1, trains), (2, is_paused), (1, is_testing), (2, is_set_up)])
def test_a_rank_that_is_killed_ends_the_run(
    rank: int, during: Callable[[list[Event]], bool], started: Callable[..., RankRun], tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    script = {9: [Pause()]} if during is is_paused else {}
    task = "SlowData" if during is is_set_up else "SlowMeeting"
    run = started(3, script, task=task, epochs=1000, checkpoints=saved)
    run.until(during)
    run.kill(rank)
    last = run.finished()
    assert (last.outcome, last.error) == ("failed", f"rank {rank}: its process has ended")
    published = [event for event in run.events() if isinstance(event, CheckpointSaved)]
    assert len(published) == len(saved_files(saved))
    assert all(is_intact(Path(event.path)) for event in published)


@pytest.mark.parametrize("during", [trains, is_paused])
def test_the_other_ranks_end_when_rank_0_is_killed(
    during: Callable[[list[Event]], bool], started: Callable[..., RankRun]
) -> None:
    run = started(3, {9: [Pause()]} if during is is_paused else {}, task="SlowMeeting", epochs=1000)
    run.until(during)
    run.kill(0)
    for process in run.processes:
        process.wait(SECONDS)


def test_a_checkpoint_that_rank_0_can_not_read_ends_the_run(started: Callable[..., RankRun], tmp_path: Path) -> None:
    run = started(2, resume_point=ResumePoint(tmp_path / "nothing.pt"))
    last = run.finished()
    assert (last.outcome, last.error) == ("failed", f"there is no checkpoint {tmp_path / 'nothing.pt'}")


def test_a_run_that_is_stopped_while_it_loads_its_data_ends_in_all_ranks(started: Callable[..., RankRun]) -> None:
    run = started(2, {-1: [Stop()]}, task="SlowData")
    assert run.finished().outcome == "stopped"
    assert [process.returncode for process in run.processes] == [0, 0]
