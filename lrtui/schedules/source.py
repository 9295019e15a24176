"""From text to a syntax tree: bounded, never evaluated, every node's place in the text known."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import NoReturn

from lrtui.run.errors import NotationError

LONGEST = 10_000
"""Characters; the longest schedule anybody writes has a few hundred."""

DEEPEST = 40
"""Brackets open at once: far beyond what makes sense, far below what makes Python's parser give up."""

MOST_LEVELS = 100
"""Of a syntax tree: `1+1+1+...` makes a deep one without a bracket, and what reads it goes down level by level."""

MOST_NODES = 4_000
"""Of a syntax tree: four times what the longest list has. Ten thousand in lambdas take `ast.unparse` 0.1 s."""

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
# Python refuses to read or write more than 4300 of them, and doesn't say where; 251 hexadecimal digits are 302 others
_LONG_NUMBER = re.compile(r"[0-9_]{301}|0[xX][0-9a-fA-F_]{251}")
# `file.py:Name(` and `package.module:Name(`, which is not Python. What looks like it is read over first: strings (up
# to the end where they are not closed, so that no text is scanned twice) and a lambda's arguments.
_OWN = re.compile(
    r"""
    "(?:[^"\\]|\\.)*(?:"|\\?\Z) | '(?:[^'\\]|\\.)*(?:'|\\?\Z)
    | \blambda\b[^:]*(?::|\Z)
    | (?<![\w./~\-])(?P<own>[\w.~/][\w./~\-]*):(?P<name>[A-Za-z_]\w*)(?=\s*\()
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Source:
    """A notation and its syntax tree.

    Args:
        text: as the user wrote it.
        parsed: what Python's parser was given, from the base: as long as there, own classes under their stand-ins.
        tree: of the call.
        owns: (module or file, class) of the user's own classes, by the offset of their stand-in in the text.
        base: offset in the text of the call.
        line_starts: offsets of the call's lines, from the base.
    """

    text: str
    parsed: str
    tree: ast.expr
    owns: dict[int, tuple[str, str]]
    base: int
    line_starts: tuple[int, ...]

    def offset(self, node: ast.AST) -> int:
        """Return where in the text the node begins, in characters."""
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
        """Return the node's own text, shortened for a message."""
        end = self._place(getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 0))
        words = " ".join(self.text[self.offset(node) : end].split())
        return words if len(words) <= 40 else words[:39] + "…"


def read_source(text: str, what: str) -> Source:
    """Return the text's syntax tree.

    Args:
        what: `schedule` or `optimizer`, for messages.

    Raises:
        NotationError: for text that is empty, too long, too deep or no Python expression.
    """
    if len(text) > LONGEST:
        raise NotationError(f"the {what} has {len(text):,} characters; at most {LONGEST:,} are read", text, LONGEST)
    if not text.strip():
        raise NotationError(f"the {what} is empty; write for example {_EXAMPLES[what]}", text, 0)
    _check_depth(text, what)
    if number := _LONG_NUMBER.search(text):
        raise NotationError("a number has more than 300 digits", text, number.start())
    assignment = _ASSIGNMENT.match(text)
    base = assignment.end() if assignment else len(text) - len(text.lstrip())
    body = text[base:].rstrip().rstrip(";")
    owns: dict[int, tuple[str, str]] = {}
    # for Python a carriage return begins a line
    masked = _mask_own_classes(body.replace("\r", "\n"), base, owns)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(masked, mode="eval").body
    except SyntaxError as error:
        place = base + syntax_error_place(body, error)
        raise NotationError(f"this is no Python call: {_reason(error)}", text, place) from None
    except (ValueError, MemoryError, RecursionError):
        raise NotationError(
            f"the {what} can't be read: it is too deeply nested or has a character that is none", text, base
        ) from None
    starts = [0, *(place + 1 for place, character in enumerate(masked) if character == "\n")]
    source = Source(text, masked, tree, owns, base, tuple(starts))
    nodes, deep = all_nodes(tree)
    if deep:
        source.refuse(f"the {what} is nested more than {MOST_LEVELS} levels deep", deep)
    if len(nodes) > MOST_NODES:
        source.refuse(f"the {what} has more than {MOST_NODES:,} names, numbers and signs", tree)
    return source


_EXAMPLES = {"schedule": "ExponentialLR(gamma=0.9)", "optimizer": "Adam(lr=0.01)"}


def all_nodes(tree: ast.expr) -> tuple[list[ast.AST], ast.expr | None]:
    """Return a tree's nodes, level by level, and one that lies more than MOST_LEVELS deep or None; there it stops."""
    found: list[ast.AST] = []
    level: list[ast.AST] = [tree]
    for _ in range(MOST_LEVELS):
        found += level
        # half of all nodes are signs without anything inside, such as Load and Add
        level = [child for node in level if node._fields for child in ast.iter_child_nodes(node)]
    return found + level, next((node for node in level if isinstance(node, ast.expr)), None)


def dotted_name(node: ast.expr) -> str | None:
    """Return `a.b.c` for such a node with PyTorch's module names in front left out, or None for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    name = ".".join([node.id, *reversed(parts)])
    prefix = next((module for module in _MODULES if name.startswith(module)), "")
    return name[len(prefix) :]


def _mask_own_classes(body: str, base: int, owns: dict[int, tuple[str, str]]) -> str:
    def mask(match: re.Match[str]) -> str:
        if match["own"] is None:
            return match.group()
        owns[base + match.start()] = (match["own"], match["name"])
        # a name of the same length, so that places in the text stay what they are
        return "_" * len(match.group())

    return _OWN.sub(mask, body)


def _check_depth(text: str, what: str) -> None:
    depth = 0
    for position, character in enumerate(text):
        if character in "([{":
            depth += 1
            if depth > DEEPEST:
                raise NotationError(f"the {what} is nested more than {DEEPEST} deep", text, position)
        elif character in ")]}":
            depth -= 1


def syntax_error_place(text: str, error: SyntaxError) -> int:
    """Return where in the text the parser gave up; its end where something is missing there."""
    if not error.offset or not error.lineno:
        return text.index("\0") if "\0" in text else len(text)
    lines = text.replace("\r", "\n").split("\n")
    return min(len(text), sum(len(line) + 1 for line in lines[: error.lineno - 1]) + error.offset - 1)


def _reason(error: SyntaxError) -> str:
    return error.msg if error.msg and len(error.msg) < 120 else "invalid syntax"
