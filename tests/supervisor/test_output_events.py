from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtui.run.events import EvalDone, Event, StepDone
from lrtui.run.source import run_started
from lrtui.run.state import RunState
from lrtui.supervisor.output_events import MAX_GAP, OutputEvents
from lrtui.supervisor.terminal_lines import Line, TerminalLines


def events_of(text: str) -> list[Event]:
    terminal = TerminalLines()
    return list(OutputEvents(lambda: 1.5).read([*terminal.feed(text), *terminal.end()]))


def losses(events: list[Event]) -> list[tuple[int, float]]:
    return [(event.step, event.loss) for event in events if isinstance(event, StepDone) and not math.isnan(event.loss)]


def test_the_mnist_example_gives_a_step_for_each_line_and_its_tests() -> None:
    text = "".join(
        f"Train Epoch: {epoch} [{batch * 640}/60000 ({batch}%)]\tLoss: {epoch}.{batch}\n" * (batch < 3)
        or f"\nTest set: Average loss: 0.1{epoch}, Accuracy: 9{epoch}23/10000 (91%)\n\n"
        for epoch in (1, 2)
        for batch in range(4)
    )
    events = events_of(text)
    assert losses(events) == [(0, 1.0), (1, 1.1), (2, 1.2), (3, 2.0), (4, 2.1), (5, 2.2)]
    assert [event.seq for event in events] == list(range(8))
    assert [event.epoch for event in events if isinstance(event, StepDone)] == [1, 1, 1, 2, 2, 2]
    tests = [event for event in events if isinstance(event, EvalDone)]
    assert [(test.epoch, test.loss, test.accuracy, test.step) for test in tests] == [
        (1, 0.11, 0.9123, 3),
        (2, 0.12, 0.9223, 6),
    ]


def test_steps_take_the_numbers_of_the_lines() -> None:
    assert losses(events_of("iter 0: loss 3.5\niter 10: loss 3.2\niter 20: loss 3.0\n")) == [
        (0, 3.5),
        (10, 3.2),
        (20, 3.0),
    ]
    # "step 100" is the hundredth step
    events = events_of("step 100 loss 3.5 lr 0.1\nstep 200 loss 3.2 lr 0.05\n")
    assert losses(events) == [(99, 3.5), (199, 3.2)]
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [step.step for step in steps] == list(range(200))
    assert {step.lrs for step in steps[:100]} == {(0.1,)}


def test_a_script_that_was_resumed_does_not_fill_in_its_earlier_steps() -> None:
    first = 10 * MAX_GAP
    assert losses(events_of(f"step {first} loss 3.5\nstep {first + 2} loss 3.2\n")) == [(0, 3.5), (2, 3.2)]
    # a count that starts again goes on
    assert losses(events_of("step 1 loss 3.5\nstep 2 loss 3.2\nstep 1 loss 3.0\nstep 3 loss 2.5\n")) == [
        (0, 3.5),
        (1, 3.2),
        (2, 3.0),
        (4, 2.5),
    ]


def test_a_progress_bar_gives_a_step_for_each_of_its_states() -> None:
    terminal, reader, events = TerminalLines(), OutputEvents(lambda: 0.0), []
    for epoch in range(2):
        for batch in range(1, 5):
            for _ in range(2):
                # drawn twice
                bar = f"\r{batch}/4 [00:00<00:00, 5.0it/s, loss={epoch}.{batch}]"
                events += reader.read(terminal.feed(bar))
        events += reader.read(terminal.feed("\n"))
    assert losses(events) == [
        (index, epoch + batch / 10)
        for index, (epoch, batch) in enumerate((epoch, batch) for epoch in range(2) for batch in range(1, 5))
    ]
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [(step.epoch, step.batch) for step in steps] == [
        (1, 0),
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 0),
        (2, 1),
        (2, 2),
        (2, 3),
    ]


def test_epochs_counted_from_0_are_counted_from_1() -> None:
    events = events_of("Epoch 0 loss: 1.0\nEpoch 1 loss: 0.9\nepoch 2: loss=0.8\n")
    assert [event.epoch for event in events if isinstance(event, StepDone)] == [1, 2, 3]
    # fractions of epochs, as transformers logs them
    events = events_of("{'loss': 0.5, 'epoch': 0.5}\n{'loss': 0.4, 'epoch': 1.0}\n{'loss': 0.3, 'epoch': 1.5}\n")
    assert [event.epoch for event in events if isinstance(event, StepDone)] == [1, 1, 2]


def test_a_test_that_a_bar_repeats_with_every_step_is_one_test() -> None:
    text = "".join(
        f"Epoch 1: 5%|▌ | {batch}/9 [00:03<00:57, 15.61it/s, train_loss=0.{batch}, val_loss=0.4]\n"
        for batch in range(1, 9)
    )
    events = events_of(text)
    assert len(losses(events)) == 8
    assert [event.loss for event in events if isinstance(event, EvalDone)] == [0.4]
    # also where there is no room for the loss of the step
    events = events_of("Epoch 1/1 ━━━ 15/16 0:00:00 val_loss: 0.5\n" * 3 + "val_loss: 0.5\n" * 2)
    assert [event.loss for event in events] == [0.5] * 3


def test_an_lr_on_a_line_of_its_own_applies_to_the_steps_that_follow() -> None:
    events = events_of("loss: 1.0\nlr: 0.01\nloss: 0.9\nAdjusting learning rate of group 0 to 1.0000e-03.\nloss: 0.8\n")
    lrs = [event.lrs[0] for event in events if isinstance(event, StepDone)]
    assert math.isnan(lrs[0])
    assert lrs[1:] == [0.01, 0.001]


TEXT = r"""
epoch step iter loss lr learning_rate val_loss test accuracy acc@1 train Train: Test: tensor( | [ ] ( ) { } / : = , - %
nan inf 0 1 45/938 [00:01<00:02, [== 1e-3 1e999 0.5 .5 9999999999999999999999 ' " \r \n \t é 漢
"""
WORDS = st.sampled_from(re.findall(r"\S+", TEXT))


@given(st.lists(st.one_of(WORDS, st.integers(0, 10**25).map(str), st.text(max_size=3)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_text_gives_steps_that_can_be_stored(words: list[str]) -> None:
    terminal, reader, step = TerminalLines(), OutputEvents(lambda: 0.0), 0
    lines = terminal.feed(" ".join(words).replace("\\r", "\r").replace("\\n", "\n"))
    for number, event in enumerate(reader.read([*lines, *terminal.end()])):
        assert event.seq == number
        assert event.step == step
        if isinstance(event, StepDone):
            step += 1
            assert 0 <= event.batch < 2**63
            assert 1 <= event.epoch < 2**63
        elif isinstance(event, EvalDone):
            assert event.accuracy is None or 0 <= event.accuracy <= 1


def test_the_events_fold_into_a_state() -> None:
    state = RunState()
    reader = OutputEvents(lambda: 2.0)
    reader.seq = 1
    started = run_started()
    lines = [Line("epoch 1 loss: 0.5 lr: 0.1"), Line("Loss_D: 1.5 Loss_G: 2.5"), Line("val_acc: 91%")]
    state.fold([started, *reader.read(lines)])
    assert state.step == 2
    assert list(state.metrics) == ["Loss_D", "Loss_G"]
    assert state.last_test is not None
    assert state.last_test.accuracy == pytest.approx(0.91)
