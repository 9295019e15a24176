"""Commands from their notation: `lr*0.5`, `lr=0.001`, `OneCycleLR(max_lr=0.003) from base`, `undo` ..."""

from __future__ import annotations

import math
import re

from lrtui.run.arguments import check_argument
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
from lrtui.run.errors import NotationError
from lrtui.schedules.anchor import ANCHORS
from lrtui.schedules.arguments import did_you_mean
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import PER_OPTIMIZER

_PLAIN: dict[str, type[Command]] = {
    "undo": UndoLr,
    "evaluate": EvaluateNow,
    "checkpoint": SaveCheckpoint,
    "pause": Pause,
    "resume": Resume,
    "stop": Stop,
}

# possessive quantifiers: backtracking over spaces would take quadratic time
_LR = re.compile(r"lr\s*+(?P<sign>[*=/])\s*+(?P<number>\S*+)(?:\s++group\s*+=\s*+(?P<group>\S*+))?", re.DOTALL)
_EXTEND = re.compile(r"extend(?:\s++(?P<number>.++))?", re.DOTALL)
_ANCHORED = re.compile(r"\)\s+from\s+(?P<anchor>\S*)\s*\Z")

_NAMED = re.compile(r"\s*+([A-Za-z_]\w*+)\s*+=(?!=)")

FORMS = f"SCHEDULE, SCHEDULE from {'|'.join(ANCHORS)}, lr=X, lr*X, extend N, {', '.join(_PLAIN)}"


def parse_command(text: str) -> Command:
    """Return the command that the text stands for; `command.text` is the text again.

    Raises:
        NotationError: for anything else; `position` is the offset of the error.
    """
    check_argument("parse_command", "text", text, str, 'the text of a command, such as "lr*0.5"')
    start = len(text) - len(text.lstrip())
    command = text.strip()
    if not command:
        raise NotationError(f"the command is empty; write one of {FORMS}", text, start)
    if command in _PLAIN:
        return _PLAIN[command]()
    if match := _LR.fullmatch(command):
        return _read_lr(match, text, start)
    if match := _EXTEND.fullmatch(command):
        return _read_extend(match, text, start)
    if re.fullmatch(r"\w{1,60}", command):
        example = (
            f"; write {CATALOGUE[command].example}"
            if command in CATALOGUE
            else did_you_mean(command, [*_PLAIN, "extend", *CATALOGUE])
        )
        raise NotationError(f"unknown command {command}{example}", text, start)
    return _read_switch(text)


def _read_lr(match: re.Match[str], text: str, start: int) -> Command:
    sign, place = match["sign"], start + match.start("number")
    if sign == "/":
        raise NotationError("write lr*0.5 to halve the lr", text, start + match.start("sign"))
    number = _finite(match["number"])
    if number is None or number < 0 or (sign == "*" and number == 0):
        least = "a finite number above 0" if sign == "*" else "a finite number of at least 0"
        raise NotationError(f"lr{sign}X takes {least}, not {match['number'][:40] or 'nothing'}", text, place)
    if match["group"] is None:
        return ScaleLr(number) if sign == "*" else SetLr(number)
    place = start + match.start("group")
    if sign == "*":
        raise NotationError("lr*X changes all parameter groups; lr=X group=N sets one of them", text, place)
    if not re.fullmatch(r"[0-9]{1,4}", match["group"]):
        raise NotationError("group=N takes the index of a parameter group; the first one is 0", text, place)
    return SetLr(number, int(match["group"]))


def _read_extend(match: re.Match[str], text: str, start: int) -> Extend:
    number = match["number"] or ""
    if not re.fullmatch(r"[0-9]{1,7}", number) or int(number) < 1:
        place = start + (match.start("number") if number else match.end())
        message = f"extend N takes a whole number of epochs of at least 1, not {number[:40] or 'nothing'}"
        raise NotationError(message, text, place)
    return Extend(int(number))


def _finite(text: str) -> float | None:
    try:
        number = float(text) if len(text) <= 40 else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_switch(text: str) -> SwitchSchedule:
    schedule, anchor = text, next(iter(ANCHORS))
    # only the end is searched: in a long text of spaces the search would take quadratic time
    tail_start = max(0, len(text) - 200)
    if match := _ANCHORED.search(text[tail_start:]):
        schedule, anchor = text[: tail_start + match.start() + 1], match["anchor"]
        if anchor not in ANCHORS:
            message = f"unknown anchor {anchor[:40]!r}{did_you_mean(anchor, ANCHORS)}"
            raise NotationError(message, text, tail_start + match.start("anchor"))
    # the text starts with the schedule, so that offsets are the same in both
    try:
        parse_schedule(schedule)
    except NotationError as error:
        raise NotationError(error.message, text, error.position, error.field) from None
    if (named := _NAMED.match(schedule)) and "sched" not in named[1].lower():
        # the schedule of one of several optimizers; a pasted line has a name such as `scheduler` in front
        schedule = f"{PER_OPTIMIZER}({named[1]}={schedule[named.end() :].strip().rstrip(';')})"
        parse_schedule(schedule)
    return SwitchSchedule(schedule.strip(), anchor)
