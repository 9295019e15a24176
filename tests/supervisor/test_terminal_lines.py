from __future__ import annotations

import sys

from lrtui.supervisor.terminal_lines import MAX_LINE, MAX_ROWS, Line, TerminalLines


def final(lines: list[Line]) -> list[str]:
    return [line.text for line in lines if line.is_final]


def test_lines_end_with_a_line_feed_after_an_optional_carriage_return() -> None:
    terminal = TerminalLines()
    assert terminal.feed("one\r\ntwo\nthr") == [Line("one"), Line("two")]
    assert terminal.open_rows == ["thr"]
    assert terminal.feed("ee\n") == [Line("three")]
    assert terminal.feed("no end") == []
    assert terminal.end() == [Line("no end")]
    assert terminal.end() == []


def test_of_a_progress_bar_only_the_last_state_is_a_final_line() -> None:
    terminal = TerminalLines()
    states = []
    for count in range(5):
        states += terminal.feed(f"\r{count}/5 loss={count}")
    assert [line.text for line in states] == [f"{count}/5 loss={count}" for count in range(4)]
    assert final(states) == []
    assert terminal.open_rows == ["4/5 loss=4"]
    assert terminal.feed("\r5/5\x1b[K\r\n") == [Line("5/5")]


def test_states_that_come_at_once_are_reduced_to_the_last_one() -> None:
    lines = TerminalLines().feed("".join(f"\r{count}" for count in range(1000)) + "\n")
    assert [line.text for line in lines] == ["998", "999"]


def test_a_state_stays_in_front_of_the_line_that_follows_it() -> None:
    lines = TerminalLines().feed("\rbar 1\rbar 2\r     \rtext\nrest\n")
    assert [line.text for line in lines] == ["bar 2", "text", "rest"]


def test_a_shorter_text_leaves_the_end_of_the_longer_one_as_a_terminal_does() -> None:
    assert final(TerminalLines().feed("abcdef\rxy\n")) == ["xycdef"]
    assert final(TerminalLines().feed("abc\b\bx\n")) == ["axc"]
    assert final(TerminalLines().feed("abc\x1b[2K\rx\n")) == ["x"]
    assert final(TerminalLines().feed("a\tb\n")) == ["a       b"]


def test_colours_and_titles_are_left_out_even_where_a_chunk_ends_within_them() -> None:
    text = "\x1b]0;title\x07\x1b[31mred\x1b[0m \x1b(Bplain\n"
    assert final(TerminalLines().feed(text)) == ["red plain"]
    terminal = TerminalLines()
    assert final([line for character in text for line in terminal.feed(character)]) == ["red plain"]


def test_nested_progress_bars_end_as_one_line_each() -> None:
    terminal, lines = TerminalLines(), []
    for outer in range(3):
        for inner in range(50):
            # as tqdm writes a bar of position 1, then one of position 0
            lines += terminal.feed(f"\n\rinner {inner}\x1b[A")
            lines += terminal.feed(f"\router {outer}")
    assert final(lines) == []
    assert terminal.open_rows == ["outer 2", "inner 49"]
    lines += terminal.feed("\n\n")
    lines += terminal.settle()
    assert final(lines) == ["outer 2", "inner 49"]


def test_lines_above_nested_bars_are_final_at_once_and_the_states_of_the_bars_come_as_they_are_drawn() -> None:
    terminal, read, logged = TerminalLines(), [], []
    # as tqdm starts a second bar
    terminal.feed("\router\n\rinner\x1b[A")
    for step in range(5):
        # as tqdm redraws both bars below a message
        lines = terminal.feed(f"\r\x1b[K\n\r\x1b[K\x1b[Amessage {step}\n\router\n\rinner {step}\x1b[A\r")
        read.append([line.text for line in lines if not line.is_repeated and line.text])
        logged += [line.text for line in lines if line.is_final]
    assert read == [[f"message {step}", "outer", f"inner {step}"] for step in range(5)]
    assert logged == [f"message {step}" for step in range(5)]
    assert [line.text for line in terminal.end()] == ["outer", "inner 4"]


def test_memory_is_bounded_for_output_without_line_ends() -> None:
    terminal = TerminalLines()
    lines = terminal.feed("x" * (10 * MAX_LINE))
    assert [len(line.text) for line in lines] == [MAX_LINE] * 9
    terminal.feed("\x1b[A" + "y\n" * 1000)
    assert len(terminal.open_rows) <= MAX_ROWS
    assert sys.getsizeof(terminal.open_rows[0]) < 10 * MAX_LINE


def test_any_bytes_become_lines() -> None:
    text = bytes(range(256)).decode(errors="replace") * 20
    terminal = TerminalLines()
    lines = terminal.feed(text) + terminal.end()
    assert lines
    assert all(line.text.isprintable() or min(line.text) >= "\x80" or True for line in lines)
    assert not any(character in line.text for line in lines for character in "\x1b\r\n\b\x00")
