"""Repaints the part of a screen that changed."""

from __future__ import annotations

from collections.abc import Iterable

# private to Textual: if a later version works otherwise, its own way of drawing remains
from textual._compositor import Compositor
from textual.geometry import Region
from textual.strip import Strip


class PartialCompositor(Compositor):
    """A compositor that renders the changed lines of the changed widgets.

    Textual renders every widget in the rectangle around all changes. In the cockpit that is the whole screen, since
    the header and the charts change together, and it takes a quarter of a frame's time.
    """

    _changed: tuple[Region, ...] | None = None
    """The regions of the partial update that is being rendered, or None."""

    def render_partial_update(self):  # type: ignore[no-untyped-def]  # the type of the result is private to Textual
        self._changed = tuple(self._dirty_regions)
        try:
            return super().render_partial_update()
        finally:
            self._changed = None

    def _get_renders(self, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        if self._changed is None:
            yield from super()._get_renders(crop)
            return
        for widget, (region, clip) in self.visible_widgets.items():
            visible = region.intersection(clip)
            changed = [part for each in self._changed if (part := each.intersection(visible))]
            if changed:
                rows = Region.from_union(changed)
                lines = Region(visible.x, rows.y, visible.width, rows.height)
                yield region, lines, widget.render_lines(lines.translate(-region.offset))
