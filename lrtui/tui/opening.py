"""What a start finds beside the screen: whether it is the first, and a run that broke off. Looked for after the first
frame, in the thread that imports torch next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.settings import UserSettings, write_template

# it reads the store and schedules: 30 ms
if TYPE_CHECKING:
    from lrtui.engine.resume import ResumePlan


@dataclass(frozen=True, slots=True)
class Opening:
    """What was found.

    Args:
        is_first: whether nobody has been here before: no settings, no store.
        interrupted: how the run goes on that broke off; None where none did.
        user_files: the user's own files that it runs, a line each.
    """

    is_first: bool
    interrupted: ResumePlan | None = None
    user_files: tuple[str, ...] = ()


def look_around(spec: RunSpec, settings: UserSettings) -> Opening:
    """Return what a start with these settings finds; a store that can't be read is told when a run starts."""
    from lrtui.store.location import DATABASE, store_folder

    folder = store_folder(spec.store)
    if folder is None or not (folder / DATABASE).exists():
        if not settings.exists:
            write_template(settings.path)
        return Opening(is_first=not settings.exists)
    from lrtui.engine.resume import describe_user_files, interrupted_run

    try:
        found = interrupted_run(folder)
    except LrtuiError:
        return Opening(is_first=False)
    return Opening(False, found, tuple(describe_user_files(found)) if found else ())
