"""Makes pictures reproducible (no blinking cursor, no animation) and tests fast (no fixed waits)."""

from __future__ import annotations

from typing import Any

import pytest
from cockpit_pilot import settle
from textual._compositor import Compositor
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.widgets import Input

PARSED: dict[Any, list[RuleSet]] = {}
PARSE_RULES = Stylesheet._parse_rules
RENDER_UPDATE = Compositor.render_update


@pytest.fixture(autouse=True)
def nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Input.cursor_blink, "_default", False)
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")


@pytest.fixture(autouse=True)
def keys_come_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default a pilot waits before and after each key until the process has been idle for 20 ms, which would take
    most of the time of these tests. Here it waits only after the last key; tests that wait for more poll.
    """
    monkeypatch.setattr("textual.app.wait_for_idle", settle)


@pytest.fixture(autouse=True)
def styles_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share the parsed rules of style sheets between the applications of all tests: a twentieth of their time."""

    def parse_rules(stylesheet: Stylesheet, *arguments: Any, **named: Any) -> list[RuleSet]:
        key = (tuple(stylesheet._variables.items()), arguments, tuple(named.items()))
        if key not in PARSED:
            PARSED[key] = PARSE_RULES(stylesheet, *arguments, **named)
        return PARSED[key]

    monkeypatch.setattr(Stylesheet, "_parse_rules", parse_rules)


@pytest.fixture(autouse=True)
def a_picture_is_drawn_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the screen of a snapshot test when the picture is taken, not for every frame before it that nobody sees."""

    def render_update(compositor: Compositor, full: bool = False, **named: Any) -> Any:
        if full:
            return RENDER_UPDATE(compositor, full, **named)
        compositor._dirty_regions.clear()
        return None

    if "snap_compare" in request.fixturenames:
        monkeypatch.setattr(Compositor, "render_update", render_update)
