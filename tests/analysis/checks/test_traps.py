"""How traps are found, and the pages made from them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lrtui.analysis.checks import traps
from lrtui.analysis.checks.traps import TRAPS, find_traps

NEW_TRAP = '''\
from lrtui.analysis.checks.trap import Example, Problem, trap

ORDER = 15


@trap("always", "every schedule has it", Example("StepLR(3)", "StepLR(4)", "0.1 | 0.1", epochs=1, accumulate=2))
def always(context):
    """The first paragraph
    has two lines.

    The second paragraph.
    """
    return Problem("it is there")
'''


def test_a_new_trap_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new_trap.py").write_text(NEW_TRAP)
    monkeypatch.setattr(traps, "__path__", [*traps.__path__, str(tmp_path)])
    try:
        found = find_traps()
    finally:
        sys.modules.pop(f"{traps.__name__}.new_trap", None)
    (new,) = [trap for trap in found if trap.code == "always"]
    assert [trap.code for trap in found if trap is not new] == [trap.code for trap in TRAPS]
    # by its severity after the schedules that fail, and before those with an lr out of range
    codes = [trap.code for trap in found]
    assert codes.index("cannot-run") < codes.index("always") < codes.index("not-finite")
    assert new.page.splitlines() == [
        "The first paragraph has two lines.",
        "The second paragraph.",
        "For example, with Adam(lr=0.01) in 1 epoch of 938 steps of 2 batches each (lr at the start of each epoch | lr "
        "of the last step):",
        "  StepLR(3)",
        "  lr 0.1 | 0.1",
        "Better:",
        "  StepLR(4)",
    ]


def test_every_trap_has_a_unique_code_and_a_page() -> None:
    assert len({trap.code for trap in TRAPS}) == len(TRAPS) == 48
    for trap in TRAPS:
        assert trap.title
        assert len(trap.find.__doc__ or "") > 40
