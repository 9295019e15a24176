"""Makes pictures reproducible (no blinking cursor, no animation) and tests fast (no fixed waits)."""

from __future__ import annotations

from typing import Any

import pytest
from cockpit_pilot import settle
from textual._compositor import Compositor
from textual.app import App
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.widget import Widget
from textual.widgets import Input

PARSED: dict[Any, list[RuleSet]] = {}
PARSE_RULES = Stylesheet._parse_rules
APPLY, REPLACE_RULES = Stylesheet.apply, Stylesheet.replace_rules
RENDER_UPDATE = Compositor.render_update

OF_WIDGETS = {"hover", "focus", "blur", "can-focus", "disabled", "enabled"}
OF_THE_APPLICATION = {"dark", "light", "inline", "ansi", "nocolor"}
"""The pseudo-classes that the keys of computed styles distinguish."""


@pytest.fixture(autouse=True)
def nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Input.cursor_blink, "_default", False)
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")
    # the colours depend on it; otherwise it follows TERM and COLORTERM of whoever runs the tests
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "truecolor")


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


class ComputedStyles:
    """The rules of a widget, shared by all widgets of all tests that have the same style sheet and the same path."""

    def __init__(self) -> None:
        self._sheets: dict[tuple[int, ...], int] = {}
        self._pseudo_classes: dict[Any, frozenset[str]] = {}
        self._rules: dict[Any, Any] = {}
        self._awaited: dict[int, Any] = {}

    def _sheet(self, stylesheet: Any) -> int:
        """Return a number for the rules of a style sheet, which `PARSED` keeps."""
        rules = stylesheet.rules
        if getattr(stylesheet, "_numbered", None) is not rules:
            stylesheet._numbered = rules
            stylesheet._number = self._sheets.setdefault(tuple(map(id, rules)), len(self._sheets))
        return int(stylesheet._number)

    def apply(self, stylesheet: Any, node: DOMNode, *, animate: bool = False, cache: Any = None) -> None:
        """Do what `Stylesheet.apply` does."""
        sheet, names = self._sheet(stylesheet), frozenset(node._selector_names)
        used = self._pseudo_classes.get((sheet, names))
        if used is None:
            found = {rule for name in stylesheet.rules_map.keys() & names for rule in stylesheet.rules_map[name]}
            used = self._pseudo_classes[sheet, names] = frozenset().union(*(rule.pseudo_classes for rule in found))
        # the others depend on siblings or children
        if not used <= OF_WIDGETS | OF_THE_APPLICATION:
            APPLY(stylesheet, node, animate=animate, cache=cache)
            return
        path: list[Any] = [sheet]
        if not used.isdisjoint(OF_THE_APPLICATION):
            app = node.app
            path += (app.current_theme.dark, app.is_inline, app.native_ansi_color, app.no_color)
        for part in node.css_path_nodes:
            path += (type(part), part._id, part.classes)
            if not used.isdisjoint(OF_WIDGETS):
                if isinstance(part, Widget):
                    path += (part.mouse_hover, part.has_focus, part.is_disabled, part.allow_focus())
                elif isinstance(part, App):
                    path.append(part.app_focus)
        key = tuple(path)
        if key not in self._rules:
            self._awaited[id(node)] = None
            APPLY(stylesheet, node, animate=animate)
            self._rules[key] = self._awaited.pop(id(node))
            return
        node._has_hover_style = "hover" in used
        node._has_focus_within = node._has_order_style = node._has_odd_or_even = False
        if rules := self._rules[key]:
            stylesheet.replace_rules(node, rules, animate=animate)
        stylesheet._process_component_classes(node)

    def replace_rules(self, node: DOMNode, rules: Any, animate: bool = False) -> None:
        """Do what `Stylesheet.replace_rules` does."""
        if id(node) in self._awaited:
            self._awaited[id(node)] = rules
        if not animate and node.styles.base._rules == rules:
            node.notify_style_update()
        else:
            REPLACE_RULES(node, rules, animate)


COMPUTED = ComputedStyles()


@pytest.fixture(autouse=True)
def styles_are_computed_once(monkeypatch: pytest.MonkeyPatch, styles_are_parsed_once: None) -> None:
    """Share the computed rules of widgets between all tests: a quarter of their time."""
    monkeypatch.setattr(Stylesheet, "apply", lambda sheet, node, **named: COMPUTED.apply(sheet, node, **named))
    monkeypatch.setattr(Stylesheet, "replace_rules", COMPUTED.replace_rules)


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
