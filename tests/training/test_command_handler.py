from __future__ import annotations

from training_runs import run_events, tiny_spec

from lrtui.run.commands import (
    Command,
    EvaluateNow,
    Extend,
    Pause,
    Resume,
    SaveCheckpoint,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from lrtui.run.events import CommandAnswer, CommandRefused, EvaluationStarted, LrSet, RunFinished
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.training.reporter import Reporter
from lrtui.training.train import train


def test_every_command_is_answered_by_an_event_that_carries_its_id() -> None:
    obeyed = [
        Pause(),
        Resume(),
        ScaleLr(2.0),
        UndoLr(),
        SetLr(0.5),
        SwitchSchedule("StepLR(2)"),
        EvaluateNow(),
        Extend(1),
    ]
    refused = [Resume(), SaveCheckpoint()]
    stop = Stop()
    events = run_events(tiny_spec(schedule='LambdaLR("1")'), {3: [*obeyed, *refused], 9: [stop]})
    answers = {event.command_id: event for event in events if isinstance(event, CommandAnswer) and event.command_id}
    assert list(answers) == [command.id for command in (*obeyed, *refused, stop)]
    assert [command.text for command in refused] == [
        event.command for event in answers.values() if isinstance(event, CommandRefused)
    ]
    assert isinstance(events[-1], RunFinished)


def test_commands_of_a_script_carry_no_id() -> None:
    events = run_events(tiny_spec(epochs=1, schedule='LambdaLR("1")', at=("step 2: lr*0.5", "step 3: evaluate")))
    assert [event.command for event in events if isinstance(event, (LrSet, EvaluationStarted))][:2] == [
        "lr*0.5",
        "evaluate",
    ]
    assert not any(event.command_id for event in events if isinstance(event, CommandAnswer))


class LateInbox(Inbox):
    """An inbox in which another command arrives after it was found empty for the first time."""

    late: Command | None = UndoLr()

    def take(self) -> Command | None:
        command = super().take()
        if command is None and self.late is not None:
            late, self.late = self.late, None
            self.send(late)
        return command


def test_commands_that_come_before_the_first_batch_are_obeyed_in_the_order_they_came() -> None:
    inbox, feed = LateInbox(), LiveFeed()
    for command in (ScaleLr(2.0), SetLr(0.5)):
        inbox.send(command)
    train(tiny_spec(epochs=1, schedule='LambdaLR("1")'), inbox, Reporter(feed))
    assert [event.command for event in feed.take(10**6) if isinstance(event, LrSet)] == ["lr*2.0", "lr=0.5", "undo"]
