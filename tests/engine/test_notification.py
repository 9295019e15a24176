"""Notifications: what a command gets, its errors, and the sequences of terminals."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from recorded_runs import recorded_run

from lrtui.engine.notification import (
    Notification,
    Notifier,
    advice_notification,
    end_notification,
    terminal_sequence,
)
from lrtui.run.errors import UsageError
from lrtui.run.state import RunState

ENDED = Notification("diverged", "3", "StepLR(step_size=1)", "run 3 diverged: loss nan; $(touch hacked)")


def test_a_command_gets_the_event_in_its_environment_and_the_message_as_an_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program = (
        "import os, sys; open('out', 'w').write(os.environ['LRTUI_EVENT'] + os.environ['LRTUI_RUN'] + sys.argv[1])"
    )
    errors: list[str] = []
    notifier = Notifier(f'{sys.executable} -c "{program}"', None, errors.append)
    notifier.send(ENDED)
    notifier.wait()
    assert (tmp_path / "out").read_text() == "diverged3" + ENDED.message
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "no shell reads the message"
    assert errors == []


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("/no/such/program", "No such file"),
        (f"{sys.executable} -c \"import sys; sys.exit('no bus')\"", "exit status 1: no bus"),
    ],
)
def test_the_error_of_a_command_is_reported_once(command: str, error: str) -> None:
    errors: list[str] = []
    notifier = Notifier(command, None, errors.append)
    for _ in range(3):
        notifier.send(ENDED)
        notifier.wait()
    assert len(errors) == 1
    assert error in errors[0]
    assert errors[0].startswith("--notify ")


@pytest.mark.parametrize("command", ['say "', "  "])
def test_an_invalid_command_is_refused(command: str) -> None:
    with pytest.raises(UsageError, match="--notify takes a command"):
        Notifier(command, None, print)


def test_each_terminal_gets_the_sequence_that_it_knows() -> None:
    assert terminal_sequence("done", {"TERM": "xterm-256color"}) == "\x1b]9;done\x1b\\"
    assert terminal_sequence("done", {"TERM": "foot"}) == "\x1b]777;notify;lrtui;done\x1b\\"
    assert terminal_sequence("done", {"TERM": "tmux-256color", "TMUX": "/tmp/t"}).startswith(
        "\x1bPtmux;\x1b\x1b]9;done"
    )
    assert "\x1b]2" not in terminal_sequence("a\x1b]2;title\x07", {}), "a run's name can't send sequences of its own"


def test_the_end_of_a_run_is_described() -> None:
    state = RunState()
    state.fold(recorded_run(500, outcome="done"))
    notification = end_notification(state, "3")
    assert notification.event == "done"
    assert notification.message.startswith("run 3 done: epoch ")
    assert "accuracy 0." in notification.message


@pytest.mark.parametrize(("run", "start"), [("3", "run 3: "), ("", "")])
def test_advice_names_its_run_if_it_has_a_number(run: str, start: str) -> None:
    notification = advice_notification("Plateau", "no progress\x1b since epoch 4", "StepLR(step_size=1)", run)
    assert (notification.event, notification.run) == ("advice", run)
    assert notification.message.startswith(f"{start}Plateau: no progress")
    assert "\x1b" not in notification.message
