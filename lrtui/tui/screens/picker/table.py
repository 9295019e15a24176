"""The picker's table: what each candidate's curve comes to, beside the schedule that is being chosen."""

from __future__ import annotations

from rich.text import Text

from lrtui.schedules.curve_facts import curve_facts, share_words
from lrtui.text.format import cut, printable, width_of
from lrtui.text.numbers import four_digits
from lrtui.tui.forecast import Answer, Question
from lrtui.tui.screens.picker.candidates import Candidate, Candidates

HEADS = {"peak": 10, "last lr": 11, "area": 9, "<1 %": 9}
"""The figures, with the columns that each takes."""

SIGN_WIDTH = 3

MEANING = (
    "The table compares the candidates over the steps that are drawn: the highest lr; the last one; the area, which is "
    "the sum of the lr as a share of what the optimizer's own lr, kept constant, would add up to; and the share of "
    "steps whose lr is below 1 % of the peak, in which little is learnt. With several parameter groups the figures "
    "are those of the first."
)


def table_lines(
    candidates: Candidates,
    chosen: Candidate | Question | None,
    answer: Answer | None,
    base_lr: float,
    width: int,
) -> Text:
    """Return the candidates, one a line, under a head; nothing where none is kept.

    Args:
        chosen: the candidate that is being chosen, marked with ▸, or the schedule that is, where it is none of them:
            a line of its own; None where the notation can't be read.
        answer: its curve; None while that is awaited.
        base_lr: the optimizer's own lr, of the first parameter group.
        width: columns that there are.
    """
    if not len(candidates):
        return Text()
    notation_width = max(8, width - SIGN_WIDTH - sum(HEADS.values()))
    text = Text(no_wrap=True, overflow="crop")
    text.append(_line("", "schedule", tuple(HEADS), notation_width), "dim")
    for candidate in candidates:
        is_chosen = candidate is chosen
        sign = f"{'▸' if is_chosen else ' '}{candidate.letter}"
        figures = _figures(candidate.answer, base_lr)
        name = question_words(candidate.answer.question)
        text.append("\n" + _line(sign, name, figures, notation_width), _style(is_chosen))
    if not isinstance(chosen, Candidate):
        name = question_words(chosen) if chosen is not None else "…"
        text.append("\n" + _line("▸", name, _figures(answer, base_lr), notation_width), _style(True))
    return text


def question_words(question: Question) -> str:
    """Return the schedule, with its anchor where that is not the default one."""
    anchor = f" from {question.anchor}" if question.start_step and question.anchor != "base" else ""
    return printable(f"{question.schedule}{anchor}")


def _figures(answer: Answer | None, base_lr: float) -> tuple[str, ...]:
    if answer is None or answer.lrs is None:
        return ("…",) * len(HEADS)
    facts = curve_facts(answer.lrs[:, 0], base_lr)
    return four_digits(facts.peak), four_digits(facts.last), share_words(facts.area), share_words(facts.low)


def _line(sign: str, name: str, figures: tuple[str, ...], notation_width: int) -> str:
    name = cut(name, notation_width - 1)
    name += " " * (notation_width - width_of(name))
    columns = "".join(f"{words:>{width}}" for words, width in zip(figures, HEADS.values(), strict=True))
    return f"{sign:<{SIGN_WIDTH}}{name}{columns}"


def _style(is_chosen: bool) -> str:
    return "bold" if is_chosen else ""
