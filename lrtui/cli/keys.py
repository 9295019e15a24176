"""`lrtui keys`: the cockpit's keys."""

from __future__ import annotations

import argparse

from lrtui.actions import key_rows

EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("--markdown", action="store_true", help="as a Markdown table")


def main(namespace: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    rows = key_rows()
    if namespace.markdown:
        print("| key | action |\n| --- | --- |")
    for keys, words in rows:
        print(
            f"| {' '.join(f'`{key}`' for key in keys)} | {words} |"
            if namespace.markdown
            else f"{' '.join(keys):<12} {words}"
        )
    return 0
