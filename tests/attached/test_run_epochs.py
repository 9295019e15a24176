"""Where in its epochs a step is."""

from __future__ import annotations

from lrtui.attached.run_epochs import RunEpochs


def test_epochs_of_a_known_length_are_counted() -> None:
    places = RunEpochs(3)
    assert [places.place(step) for step in range(7)] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0)]


def test_epochs_of_an_unknown_length_end_when_the_script_says_so() -> None:
    places = RunEpochs(None)
    places.note_end(2)
    places.note_end(2)
    places.note_end(5)
    assert [places.place(step) for step in range(6)] == [(1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 0)]


def test_the_end_of_an_epoch_is_taken_once() -> None:
    counted, of_script = RunEpochs(3), RunEpochs(None)
    assert list(counted.take_ended(2)) == []
    assert list(counted.take_ended(7)) == [(1, 3), (2, 6)]
    assert (list(counted.take_ended(8)), counted.next_end) == ([], 9)
    of_script.note_end(4)
    assert list(of_script.take_ended(5)) == [(1, 4)]
    assert (list(of_script.take_ended(9)), of_script.next_end) == ([], None)


def test_the_script_may_end_its_epochs_some_steps_earlier_or_later_than_it_has_said() -> None:
    epochs = RunEpochs(10, 3)
    epochs.note_end(8, by_script=True)
    epochs.note_end(19, by_script=True)
    assert [epochs.place(step) for step in (7, 8, 18, 19, 28)] == [(1, 7), (2, 0), (2, 10), (3, 0), (3, 9)]
    assert list(epochs.take_ended(20)) == [(1, 8), (2, 19)]
    # the last epoch had 11 steps
    assert (epochs.steps_left(20), epochs.steps_left(31), epochs.are_over) == (10, 0, False)
    epochs.note_end(30, by_script=True)
    assert epochs.are_over


def test_a_scheduler_that_is_stepped_every_few_steps_ends_no_epochs() -> None:
    epochs = RunEpochs(100)
    for step in range(10, 100, 10):
        epochs.note_end(step, by_script=True)
    assert epochs.place(99) == (1, 99)
    assert list(epochs.take_ended(100)) == [(1, 100)]
