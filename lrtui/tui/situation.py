"""What decides which keys make sense now, read off the scene."""

from __future__ import annotations

from lrtui.actions import Situation
from lrtui.tui.view import Scene


def situation_of(scene: Scene) -> Situation:
    """Return the situation that a person who sees the scene is in."""
    run, live = scene.run, scene.commanded
    return Situation(
        run.state if run else None,
        live.state if live else None,
        len(scene.marked),
        kept=run is not None and run.is_recorded,
        busy=scene.session.live is not None,
        given=scene.view.pending.of(live) if live else (),
    )
