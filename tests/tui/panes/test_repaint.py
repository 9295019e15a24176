"""Only the part of a line that changed is repainted."""

from __future__ import annotations

from textual.geometry import Region

from lrtui.tui.panes.repaint import changed_part


def test_only_the_cells_that_changed_are_repainted() -> None:
    assert changed_part("── lr 0.0100 ─", "── lr 0.0099 ─", 2) == [Region(9, 2, 3, 1)]
    assert changed_part("─── lr 0.01 ─", "── lr 0.012 ─", 0) == [Region(2, 0, 9, 1)]


def test_a_line_of_another_width_is_repainted_with_its_widget() -> None:
    assert changed_part("ab", "abc", 0) == []
    assert changed_part("学a", "学b", 0) == []
