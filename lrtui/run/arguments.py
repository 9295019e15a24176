"""The types of arguments of the Python API."""

from __future__ import annotations

from lrtui.run.errors import UsageError

Kinds = type | tuple[type, ...]


def check_argument(call: str, name: str, value: object, kinds: Kinds, expected: str) -> None:
    """Check the type of an argument; a bool is no number.

    Args:
        call: name of the function or class.
        name: name of the argument.
        value: what was given.
        kinds: the types that it may have.
        expected: what it must be, for the message.

    Raises:
        UsageError: names the call, the argument, what was expected and what was given.
    """
    accepted = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
        raise UsageError(f"{call}(): {name} must be {expected}, not {describe_argument(value)}")


def describe_argument(value: object) -> str:
    """Return a value with its type for a message: `'3' (str)`, `the class Adam`."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "None" if value is None else f"{value!r:.60} ({type(value).__name__})"
