"""The user's settings file: theme, defaults of the run options, keys. Errors in it are reported and never fatal.

Read before the first frame: it imports platformdirs, which Textual needs as well, and a TOML reader (3 ms) only if
the file exists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.spec import RunSpec, is_list, option_name, read_option

TEMPLATE = """\
# Settings of lrtui. Commented-out values are the defaults; lrtui info prints the path of this file.

# theme = "textual-dark"        # ansi-dark, ansi-light: the terminal's colours; ctrl+p theme lists all themes
# bell = false                  # ring the terminal bell when a run ends
# ascii = false                 # draw with ASCII characters only
# machine = true                # show CPU, memory and GPU below the settings
# notify = "notify-send lrtui"  # a command for the end of a run and for advice; its last argument is the message
# notify_terminal = false       # the same as a notification of the terminal (OSC 9, OSC 777)

[run]
# defaults of the run options; lrtui --help lists them
# epochs = 10
# optimizer = "Adam(lr=0.01)"

[keys]
# other keys, by action name; separate several keys by commas
# pause = "p,space"
"""


@dataclass(frozen=True, slots=True)
class UserSettings:
    """The settings in the file.

    Args:
        path: path of the file, whether it exists or not.
        exists: whether it exists.
        theme: name of a Textual theme; None for the default.
        bell: whether the terminal bell rings when a run ends.
        ascii: whether to draw with ASCII only; None to decide by the terminal.
        machine: whether the load of the machine is shown.
        notify: the command of `--notify`; None for none.
        notify_terminal: whether the terminal shows notifications.
        run: defaults of the run options.
        keys: key by action name.
        faults: errors in the file, with their lines.
    """

    path: Path
    exists: bool = False
    theme: str | None = None
    bell: bool = False
    ascii: bool | None = None
    machine: bool = True
    notify: str | None = None
    notify_terminal: bool = False
    run: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


def settings_path() -> Path:
    """Return the path of the file."""
    return user_config_path("lrtui", appauthor=False) / "settings.toml"


def read_settings(path: Path | None = None) -> UserSettings:
    """Return the settings in the file; an invalid one keeps its default and is reported in `faults`."""
    path = path or settings_path()
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return UserSettings(path)
    except (OSError, UnicodeDecodeError) as error:
        return UserSettings(path, exists=True, faults=(f"{path} can't be read: {error}",))
    import tomllib

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # the error names line and column
        return UserSettings(path, exists=True, faults=(f"{path}: {error}; the file is ignored",))
    return _TableReader(path, text).read(table)


def write_template(path: Path) -> None:
    """Write a file with every setting commented out, if there is none and it can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except OSError:
        return  # without the file, the next start shows the welcome again


def save_theme(path: Path, theme: str) -> None:
    """Set the theme in the file, in place of the line that sets it or is commented out; all other lines stay.

    Raises:
        OSError: if the file can't be read or written.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    # names after a section's header belong to that section
    top = next((index for index, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    pattern = r"\s*[\"']?theme[\"']?\s*="
    own = [index for index in range(top) if re.match(pattern, lines[index])]
    commented = [index for index in range(top) if re.match(r"\s*#" + pattern, lines[index])]
    setting = f'theme = "{theme}"'
    if place := (own or commented)[:1]:
        lines[place[0]] = setting
    else:
        lines.insert(0, setting)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class _TableReader:
    """Reads the table of one file and collects the errors in it."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines = path, text.splitlines()
        self._faults: list[str] = []

    def read(self, table: Mapping[str, Any]) -> UserSettings:
        kinds: dict[str, type] = {"theme": str, "bell": bool, "ascii": bool, "machine": bool, "notify": str}
        kinds |= {"notify_terminal": bool, "run": dict, "keys": dict}
        values: dict[str, Any] = {}
        for name, value in table.items():
            if name not in kinds:
                self._fault("", name, f"unknown setting {name[:40]!r}; the settings are {', '.join(kinds)}")
            elif not isinstance(value, kinds[name]):
                self._fault("", name, f"{name} must be {_EXPECTED[kinds[name]]}")
            elif name == "notify" and (wrong := _wrong_command(str(value))):
                self._fault("", name, wrong)
            else:
                values[name] = value
        values["run"] = self._run_options(values.get("run", {}))
        values["keys"] = self._keys(values.get("keys", {}))
        return UserSettings(self._path, exists=True, faults=tuple(self._faults), **values)

    def _run_options(self, table: Mapping[str, Any]) -> dict[str, Any]:
        known = {item.name: item for item in fields(RunSpec)}
        values: dict[str, Any] = {}
        for name, value in table.items():
            item = known.get(name.replace("-", "_"))
            if item is None:
                self._fault("run", name, f"unknown run option {name[:40]!r}")
                continue
            try:
                values[item.name] = _option(item, value)
            except LrtuiError as error:
                self._fault("run", name, str(error))
        return values

    def _keys(self, table: Mapping[str, Any]) -> dict[str, str]:
        if not table:
            return {}
        from lrtui.actions import ACTIONS_BY_NAME

        keys: dict[str, str] = {}
        for name, value in table.items():
            if name not in ACTIONS_BY_NAME:
                self._fault("keys", name, f"unknown action {name[:40]!r}; the actions are {', '.join(ACTIONS_BY_NAME)}")
            elif not isinstance(value, str) or not value.strip():
                self._fault("keys", name, 'a key must be a string such as "p" or "ctrl+n"')
            else:
                keys[name] = value
        self._report_conflicts({name: action.keys for name, action in ACTIONS_BY_NAME.items()}, keys)
        return keys

    def _report_conflicts(self, defaults: Mapping[str, tuple[str, ...]], chosen: Mapping[str, str]) -> None:
        """Report keys that are assigned to two actions, since only the first action would run."""
        by_key: dict[str, list[str]] = {}
        for name, keys in defaults.items():
            used = chosen[name].split(",") if name in chosen else keys
            for key in {key.strip() for key in used}:
                by_key.setdefault(key, []).append(name)
        for key, names in by_key.items():
            if len(names) > 1:
                at_fault = next(name for name in reversed(names) if name in chosen)
                self._fault("keys", at_fault, f"the key {key!r} is assigned to {' and to '.join(names)}")

    def _fault(self, section: str, name: str, text: str) -> None:
        line = self._line_of(section, name)
        self._faults.append(f"{self._path}{f', line {line}' if line else ''}: {text}")

    def _line_of(self, section: str, name: str) -> int | None:
        """Return the line that sets the name; None if it is written in a form that the search does not cover."""
        inside = ""
        for number, line in enumerate(self._lines, 1):
            if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
                inside = header[1].strip("\"'")
                if not section and inside == name:
                    return number
            elif inside == section and re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", line):
                return number
        return None


_EXPECTED = {str: "a string in quotes", bool: "true or false", dict: "a table"}


def _wrong_command(command: str) -> str:
    """Return what is wrong with the command for notifications; empty if nothing is."""
    from lrtui.engine.notification import command_words

    try:
        command_words(command)
    except UsageError as error:
        return str(error)
    return ""


def _option(item: Any, value: Any) -> Any:
    if is_list(item):
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise UsageError(f'{option_name(item.name)} takes a list of strings, such as ["epoch 2: lr*0.5"]')
        return read_option(item, "; ".join(value))
    if isinstance(value, (bool, dict, list)):
        raise UsageError(f"{option_name(item.name)} takes {item.type}, not {str(value)[:40]}")
    checked = read_option(item, str(value))
    # the notation takes 15 ms to import, and most files contain none
    if item.name == "schedule":
        from lrtui.schedules.notation import parse_schedule

        parse_schedule(checked)
    elif item.name == "optimizer":
        from lrtui.schedules.notation import parse_optimizer

        parse_optimizer(checked)
    return checked
