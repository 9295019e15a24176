"""Commands and learning rates of several processes: `lrtui.attached.ranks` and attached runs, in real processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from rank_processes import Scenarios, events_of, run_scenarios

from lrtui.attached.ranks import Ranks
from lrtui.run.events import CommandRefused, Notice, Paused, Resumed, RunFinished, RunStarted

# the scenarios are run once
pytestmark = pytest.mark.xdist_group("ranks")

DIED = "the connection to another rank is closed; its process has probably ended"
LOST = f"commands can't be carried out in all ranks: {DIED}"
ONE_ATTACHED = "lrtui.attach was not called in all 2 ranks; call it in each of them, not only in rank 0"

NAMES = [
    "commands",
    "signed zero",
    *(f"rank {dying} dies{pause}" for dying in (0, 1) for pause in ("", " in a pause")),
    "early end",
    "early end before a command",
    "different steps",
    "long pause",
    "no answer",
    "uneven",
    "uneven, with a command",
    "joined",
    "only one attaches",
    "late",
    "unfinished end",
    "accelerate",
    "plateau",
    "attached",
    "attached, rank 1 dies",
    "attached, rank 1 dies in a pause",
    "attached, rank 0 dies in a pause",
]


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Scenarios:
    """What each rank of each scenario saw."""
    return run_scenarios(NAMES, tmp_path_factory.mktemp("ranks"))


def test_commands_of_rank_0_reach_all_ranks_at_the_same_step(scenarios: Scenarios) -> None:
    ranks = scenarios["commands"]
    assert ranks["0"]["commands"] == [[7, "a"], [7, "läng" * 2000], [100, "b"]]
    assert ranks["1"]["commands"] == ranks["0"]["commands"]
    # the script destroyed its process group before the run ended
    assert [each["exit"] for each in ranks.values()] == [0, 0]
    assert ranks["0"]["after"] == ranks["1"]["after"] == [False, ""]


def test_differing_lrs_are_described_in_all_ranks(scenarios: Scenarios) -> None:
    ranks = scenarios["commands"]
    assert ranks["0"]["differences"] == [
        "the ranks' learning rates differ at step 60: 0.1, 0.2, 0.3 on rank 0; 0.1, 0.2, 0.3, 0.5 on rank 1",
        "the ranks' learning rates differ at step 80: 0.1, 0.2, 0.3 on rank 0; 0.2, 0.4, 0.6 on rank 1",
    ]
    assert ranks["1"]["differences"] == ranks["0"]["differences"]
    assert scenarios["signed zero"]["0"]["difference"] == ""


@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
@pytest.mark.parametrize("dying", [0, 1])
def test_the_death_of_a_rank_is_noticed_at_once_in_all_others(scenarios: Scenarios, dying: int, paused: bool) -> None:
    ranks = scenarios[f"rank {dying} dies" + " in a pause" * paused]
    assert ranks.pop(str(dying))["exit"] == -9
    for seen in ranks.values():
        assert seen["error"] == seen["problem"] == DIED
        # half of the script's limit would be 30 seconds
        assert seen["seconds"] < 25
        assert (seen["finish"], seen["exit"]) == (False, 0)


@pytest.mark.parametrize("name", ["early end", "early end before a command"])
def test_ranks_go_on_when_another_one_ends_earlier(scenarios: Scenarios, name: str) -> None:
    ranks = scenarios[name]
    assert ranks["0"]["error"] == "rank 1 has ended its run before the others"
    assert "error" not in ranks["1"]
    assert [each["exit"] for each in ranks.values()] == [0, 0]


def test_the_end_of_a_process_does_not_wait_for_the_others(scenarios: Scenarios) -> None:
    ranks = scenarios["unfinished end"]
    assert ranks["0"]["error"] == DIED
    assert [each["exit"] for each in ranks.values()] == [0, 0]


def test_different_numbers_of_steps_end_the_common_control(scenarios: Scenarios) -> None:
    for seen in scenarios["different steps"].values():
        assert seen["error"].startswith("the ranks have made different numbers of optimizer steps (1 to 2)")


def test_a_pause_may_be_longer_than_the_ranks_wait_for_each_other(scenarios: Scenarios) -> None:
    assert [seen["received"] for seen in scenarios["long pause"].values()] == [["resume"], ["resume"]]


def test_a_rank_that_never_comes_is_waited_for_half_as_long_as_the_script_would(scenarios: Scenarios) -> None:
    seen = scenarios["no answer"]["0"]
    assert seen["error"] == "another rank has not answered for too long"
    assert 7.9 < seen["seconds"] < 15.9


@pytest.mark.parametrize("name", ["uneven", "uneven, with a command", "joined"])
def test_a_rank_with_fewer_steps_than_others_gives_way(scenarios: Scenarios, name: str) -> None:
    for seen in scenarios[name].values():
        assert seen.get("before", [False, ""]) == [False, ""]
        assert seen["problem"] == "rank 1 makes fewer optimizer steps than the others, and waits for them elsewhere"
        assert seen.get("seconds", 0) < 25
        assert seen["exit"] == 0


def test_an_attach_in_one_rank_only_says_so_and_never_hangs(scenarios: Scenarios) -> None:
    assert scenarios["only one attaches"]["0"]["problem"] == ONE_ATTACHED
    assert scenarios["only one attaches"]["0"]["reports"] == [
        "waiting for lrtui.attach in the other ranks, 0 seconds at most"
    ]
    for seen in scenarios["late"].values():
        assert seen["problem"] == ONE_ATTACHED
        assert seen["second"] == [True, "x", None]


def test_a_process_that_trains_alone_has_no_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert Ranks.of_process() is None
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    assert Ranks.of_process() is None


def test_an_attach_before_the_process_group_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    ranks = Ranks.of_process()
    assert ranks is not None
    assert ranks.rank == 1
    assert ranks.problem.startswith("lrtui.attach was called before torch.distributed.init_process_group")
    ranks.begin([0.1], has_command=True)
    assert not ranks.finish()
    ranks.leave()


def test_rank_0_records_and_differing_lrs_are_reported(scenarios: Scenarios) -> None:
    ranks = scenarios["attached"]
    assert [ranks[rank]["number"] for rank in "01"] == [1, None]
    assert ranks["0"]["answers"] == ["lr 0.1 -> 0.05 (user)"]
    events = events_of(Path(ranks["0"]["folder"]) / "runs")
    assert isinstance(events[0], RunStarted)
    assert events[0].spec.name == "rank 0"
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == "stopped"
    notices = [(event.step, event.text) for event in events if isinstance(event, Notice)]
    step = events[-1].step - 3
    text = f"the ranks' learning rates differ at step {step}: 0.05 on rank 0; 0.1 on rank 1"
    assert notices == [(step + 1, text)]


@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_after_the_death_of_a_rank_the_run_goes_on_without_commands(scenarios: Scenarios, paused: bool) -> None:
    seen = scenarios["attached, rank 1 dies" + " in a pause" * paused]["0"]
    assert seen["answers"] == ["lr 0.1 -> 0.05 (user)", *["paused"] * paused, LOST]
    assert seen["exit"] == 0
    events = events_of(Path(seen["folder"]) / "runs")
    assert [event.text for event in events if isinstance(event, Notice)] == [LOST]
    assert [event.reason for event in events if isinstance(event, CommandRefused)] == [LOST]
    assert [type(event) for event in events if isinstance(event, (Paused, Resumed))] == [Paused, Resumed] * paused
    assert isinstance(events[-1], RunFinished)


def test_the_death_of_rank_0_ends_the_pause_of_the_others(scenarios: Scenarios) -> None:
    ranks = scenarios["attached, rank 0 dies in a pause"]
    assert ranks["0"]["exit"] == -9
    assert (ranks["1"]["exit"], ranks["1"]["is_late"]) == (0, False)


def test_a_schedule_that_follows_results_gets_those_of_rank_0_in_all_ranks(scenarios: Scenarios) -> None:
    ranks = scenarios["plateau"]
    assert ranks["0"]["answers"][0].startswith("switched to ReduceLROnPlateau")
    assert ranks["1"]["lrs"] == ranks["0"]["lrs"]
    assert 0.025 in ranks["0"]["lrs"]
    events = events_of(Path(ranks["0"]["folder"]) / "runs")
    assert not [event for event in events if isinstance(event, Notice)]


def test_accelerate_steps_its_scheduler_once_per_process_and_is_controlled(scenarios: Scenarios) -> None:
    ranks = scenarios["accelerate"]
    lrs = ranks["0"]["lrs"]
    switched = 'switched to CosineAnnealingLR(T_max=4, per="batch") from base: lr 0.1'
    assert ranks["0"]["answers"][2:] == [switched, "the run is over: stopped"]
    assert 0.05 * (1 + 2**-0.5) in [pytest.approx(lr) for lr in lrs[-20:]]
    assert ranks["1"]["lrs"] == lrs
    assert ranks["1"]["last_lrs"] == ranks["0"]["last_lrs"]
    # LinearLR from 1.0 to 0.1 over 100 calls, of which two follow each step
    assert lrs[:2] == pytest.approx([0.1, 0.1 * (1 - 0.9 * 0.02)])
    events = events_of(Path(ranks["0"]["folder"]) / "runs")
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "the script steps its scheduler 2 times per optimizer step, as accelerate does with 2 processes: the lengths "
        "in its arguments pass 2 times as fast"
    ]
