from __future__ import annotations

from lrtui.run.commands import Extend, ScaleLr
from lrtui.schedules.script import read_script
from lrtui.training.pending_commands import PendingCommands


def test_lines_are_due_at_their_moments_and_those_of_one_moment_in_the_order_written() -> None:
    lines = ["step 10: lr*3", "epoch 3: lr*5", "step 2: lr*2", "test 2: lr*4", "step 10: lr*6"]
    pending = PendingCommands(5, read_script(lines, 4, 5))
    taken = []
    for step in range(20):
        for testing in (True, False):
            while due := pending.take(step, testing=testing and step % 5 == 0):
                taken.append((step, testing, due[0].text))
    assert taken == [
        (2, True, "lr*2.0"),
        (10, True, "lr*4.0"),
        (10, False, "lr*3.0"),
        (10, False, "lr*5.0"),
        (10, False, "lr*6.0"),
    ]


def test_the_script_comes_before_the_replay_and_both_before_what_is_immediate() -> None:
    script, replay = read_script(["step 2: lr*2"], None, 5), read_script(["step 2: lr*3"], None, 5)
    pending = PendingCommands(5, script, replay, [Extend(1)])
    assert pending.script_left == ["step 2: lr*2"]
    assert pending.replay_left(2) == ["step 2: lr*3", "step 2: extend 1"]
    expected = [(ScaleLr(2.0), True), (ScaleLr(3.0), False), (Extend(1), False), None]
    assert [pending.take(2, testing=False) for _ in range(4)] == expected
