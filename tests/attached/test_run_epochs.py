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
