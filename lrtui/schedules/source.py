"""A notation's syntax tree: bounded in size, never evaluated, with the offset of every node in the text."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import NoReturn

from lrtui.run.arguments import check_argument
from lrtui.run.errors import NotationError
from lrtui.text.format import counted

MAX_LENGTH = 10_000
"""Maximum number of characters; schedules have a few hundred at most."""

MAX_BRACKETS = 40
"""Maximum nesting of brackets, far below the limit of Python's parser."""

MAX_DEPTH = 100
"""Maximum depth of a syntax tree: `1+1+1+...` is deep without brackets, and its readers are recursive."""

MAX_NODES = 4_000
"""Maximum number of nodes, four per entry of the longest list; `ast.unparse` takes 0.1 s for 10,000 in lambdas."""

_ASSIGNMENT = re.compile(r"\s*[A-Za-z_][\w.]*\s*=(?!=)\s*")
_MODULES = (
    "torch.optim.lr_scheduler.",
    "optim.lr_scheduler.",
    "lr_scheduler.",
    "torch.optim.swa_utils.",
    "optim.swa_utils.",
    "swa_utils.",
    "torch.optim.",
    "optim.",
)
# Python refuses integers of more than 4300 digits without saying where; 251 hexadecimal digits are 302 decimal ones
_LONG_NUMBER = re.compile(r"[0-9_]{301}|0[xX][0-9a-fA-F_]{251}")
# `file.py:Name(` and `package.module:Name(`, which is not Python. Strings (to the end of the text where they are not
# closed, so that no text is scanned twice) and a lambda's arguments are matched first, to be skipped.
_USER_CLASS = re.compile(
    r"""
    "(?:[^"\\]|\\.)*(?:"|\\?\Z) | '(?:[^'\\]|\\.)*(?:'|\\?\Z)
    | \blambda\b[^:]*(?::|\Z)
    | (?<![\w./~\-])(?P<path>[\w.~/][\w./~\-]*):(?P<name>[A-Za-z_]\w*)(?=\s*\()
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Source:
    """A notation and its syntax tree.

    Args:
        text: the text as the user wrote it.
        parsed: the text from `base` on as Python's parser gets it, with names of equal length for users' classes.
        tree: syntax tree of the call.
        user_classes: (module or file, class) of the users' classes, by their offset in the text.
        base: offset of the call in the text.
        line_starts: offsets of the call's lines, from the base.
    """

    text: str
    parsed: str
    tree: ast.expr
    user_classes: dict[int, tuple[str, str]]
    base: int
    line_starts: tuple[int, ...]

    def offset(self, node: ast.AST) -> int:
        """Return the offset of the node in the text, in characters."""
        return self._place(getattr(node, "lineno", 1), getattr(node, "col_offset", 0))

    def _place(self, line: int, column: int) -> int:
        start = self.line_starts[line - 1]
        # Python counts columns in UTF-8 bytes
        return self.base + start + len(self.parsed[start : start + column].encode()[:column].decode(errors="ignore"))

    def fault(self, message: str, node: ast.AST, field: str | None = None) -> NotationError:
        """Return an error that points at the node."""
        return NotationError(message, self.text, self.offset(node), field)

    def refuse(self, message: str, node: ast.AST, field: str | None = None) -> NoReturn:
        """Raise a NotationError that points at the node."""
        raise self.fault(message, node, field)

    def segment(self, node: ast.AST) -> str:
        """Return the node's text, shortened for a message."""
        end = self._place(getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 0))
        segment = " ".join(self.text[self.offset(node) : end].split())
        return segment if len(segment) <= 40 else segment[:39] + "…"


def read_source(text: str, what: str) -> Source:
    """Return the text's syntax tree.

    Args:
        what: `schedule` or `optimizer`, for messages.

    Raises:
        NotationError: for text that is empty, too long, too deep or not a Python expression.
    """
    check_argument(f"parse_{what}", "text", text, str, f"the {what} as text")
    if len(text) > MAX_LENGTH:
        raise NotationError(
            f"the {what} has {counted(len(text), 'character')}; at most {MAX_LENGTH:,} are allowed", text, MAX_LENGTH
        )
    if not text.strip():
        raise NotationError(f"the {what} is empty; write for example {_EXAMPLES[what]}", text, 0)
    _check_depth(text, what)
    if number := _LONG_NUMBER.search(text):
        raise NotationError("a number has more than 300 digits", text, number.start())
    assignment = _ASSIGNMENT.match(text)
    base = assignment.end() if assignment else len(text) - len(text.lstrip())
    body = text[base:].rstrip().rstrip(";")
    user_classes: dict[int, tuple[str, str]] = {}
    # Python takes a carriage return for the end of a line
    masked = _mask_user_classes(body.replace("\r", "\n"), base, user_classes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(masked, mode="eval").body
    except SyntaxError as error:
        place = base + syntax_error_offset(body, error)
        raise NotationError(f"not a Python call: {_reason(error)}", text, place) from None
    except (ValueError, MemoryError, RecursionError):
        raise NotationError(
            f"the {what} can't be read: it is nested too deeply or contains an invalid character", text, base
        ) from None
    starts = [0, *(place + 1 for place, character in enumerate(masked) if character == "\n")]
    source = Source(text, masked, tree, user_classes, base, tuple(starts))
    nodes, too_deep = all_nodes(tree)
    if too_deep:
        source.refuse(f"the {what} is nested more than {MAX_DEPTH} levels deep", too_deep)
    if len(nodes) > MAX_NODES:
        source.refuse(f"the {what} has more than {MAX_NODES:,} names, numbers and signs", tree)
    return source


_EXAMPLES = {"schedule": "ExponentialLR(gamma=0.9)", "optimizer": "Adam(lr=0.01)"}


def all_nodes(tree: ast.expr) -> tuple[list[ast.AST], ast.expr | None]:
    """Return a tree's nodes down to MAX_DEPTH levels, and a node below them or None."""
    found: list[ast.AST] = []
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        found += level
        # half of all nodes are operators and contexts without children, such as Load and Add
        level = [child for node in level if node._fields for child in ast.iter_child_nodes(node)]
    return found + level, next((node for node in level if isinstance(node, ast.expr)), None)


def dotted_name(node: ast.expr) -> str | None:
    """Return `a.b.c` for such a node, without PyTorch's module names in front; None for any other node."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    name = ".".join([node.id, *reversed(parts)])
    prefix = next((module for module in _MODULES if name.startswith(module)), "")
    return name[len(prefix) :]


def _mask_user_classes(body: str, base: int, user_classes: dict[int, tuple[str, str]]) -> str:
    def mask(match: re.Match[str]) -> str:
        if match["path"] is None:
            return match.group()
        user_classes[base + match.start()] = (match["path"], match["name"])
        # a name of the same length keeps all offsets
        return "_" * len(match.group())

    return _USER_CLASS.sub(mask, body)


def _check_depth(text: str, what: str) -> None:
    depth = 0
    for position, character in enumerate(text):
        if character in "([{":
            depth += 1
            if depth > MAX_BRACKETS:
                raise NotationError(f"the {what} is nested more than {MAX_BRACKETS} deep", text, position)
        elif character in ")]}":
            depth -= 1


def syntax_error_offset(text: str, error: SyntaxError) -> int:
    """Return the offset of a syntax error; that of the text's end if the text is incomplete."""
    if not error.offset or not error.lineno:
        return text.index("\0") if "\0" in text else len(text)
    lines = text.replace("\r", "\n").split("\n")
    return min(len(text), sum(len(line) + 1 for line in lines[: error.lineno - 1]) + error.offset - 1)


def _reason(error: SyntaxError) -> str:
    return error.msg if error.msg and len(error.msg) < 120 else "invalid syntax"
