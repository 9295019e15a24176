"""The state at startup: whether this is the first start, and an interrupted run. Read after the first frame, in the
thread that then imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.settings import UserSettings, write_template

# takes 30 ms to import
if TYPE_CHECKING:
    from lrtui.engine.resume import ResumePlan


@dataclass(frozen=True, slots=True)
class StartupState:
    """The state at startup.

    Args:
        is_first: whether neither a settings file nor a store exists yet.
        interrupted: how to continue the interrupted run; None if there is none.
        user_files: the user's files that the run executes, one line each.
    """

    is_first: bool
    interrupted: ResumePlan | None = None
    user_files: tuple[str, ...] = ()


def read_startup_state(spec: RunSpec, settings: UserSettings) -> StartupState:
    """Return the state for these settings; an unreadable store is reported when a run starts."""
    from lrtui.store.location import DATABASE, store_folder

    folder = store_folder(spec.store)
    if folder is None or not (folder / DATABASE).exists():
        if not settings.exists:
            write_template(settings.path)
        return StartupState(is_first=not settings.exists)
    from lrtui.engine.resume import describe_user_files, interrupted_run

    try:
        found = interrupted_run(folder)
    except LrtuiError:
        return StartupState(is_first=False)
    return StartupState(False, found, tuple(describe_user_files(found)) if found else ())
