"""What the tests of the runs on screen measure: accuracy, and what a task's own test gives beside it."""

from __future__ import annotations

from lrtui.tui.view import Scene

ACCURACY = "accuracy"


def metric_names(scene: Scene) -> list[str]:
    """Return what the latest tests of the runs that are drawn measured, beside the loss; accuracy first."""
    names: dict[str, None] = {}
    for run in scene.shown:
        for test in (run.state.last_test, run.state.last_averaged):
            if test is not None:
                if test.accuracy is not None:
                    names[ACCURACY] = None
                names.update(dict.fromkeys(test.metrics))
    return sorted(names, key=lambda name: name != ACCURACY)


def metric_in_pane(scene: Scene) -> str:
    """Return what the accuracy's pane shows: what the user chose, else the accuracy, else the first there is."""
    names = metric_names(scene)
    return scene.view.metric if scene.view.metric in names else names[0] if names else ACCURACY


def next_metric(scene: Scene) -> str:
    """Return what comes after what the accuracy's pane shows."""
    names, shown = metric_names(scene), metric_in_pane(scene)
    return names[(names.index(shown) + 1) % len(names)] if shown in names else shown
