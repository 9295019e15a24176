"""Which heavy packages each command imports, tested in a process: a static graph does not show deferred imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

HEAVY = ("torch", "torchvision", "textual", "plotext", "numpy")

PRINT_IMPORTED = "import sys; print(' '.join(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)"


def imported(code: str, heavy: Sequence[str] = HEAVY) -> set[str]:
    """Return which of the heavy modules a process that runs the code imports."""
    print_imported = PRINT_IMPORTED.format(heavy=heavy)
    done = subprocess.run(
        [sys.executable, "-c", f"try:\n    {code}\nexcept SystemExit:\n    pass\n{print_imported}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


def command(*arguments: str) -> str:
    return f"from lrtui.__main__ import main; main({list(arguments)!r})"


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import lrtui", set()),
        ("import lrtui.run.events, lrtui.run.commands, lrtui.run.spec, lrtui.run.event_json, lrtui.run.inbox", set()),
        ("import lrtui.run.state, lrtui.actions, lrtui.engine.session", {"numpy"}),
        ("import lrtui.schedules.notation, lrtui.schedules.schedule, lrtui.schedules.optimizer", set()),
        ("import lrtui.schedules.build, lrtui.schedules.optimizer, lrtui.tasks.registry", set()),
        ("import lrtui.tasks; dir(lrtui.tasks)", set()),
        ("import lrtui.tasks.fashion_mnist, lrtui.schedules.simulate", {"numpy"}),
        (command("--help"), set()),
        (command("train", "--help"), {"numpy"}),
        (command("code", "--help"), set()),
        (command("run", "--help"), set()),
        ("import lrtui.supervisor.supervisor", {"numpy"}),
        (command("watch", "--help"), set()),
        (command("import", "--help"), set()),
        (command("watch", "tests/../lrtui/text", "--headless"), {"numpy"}),
        ("import lrtui.store.log_import, lrtui.sources.source", {"numpy"}),
        ("import lrtui.schedules.export_code, lrtui.cli.code, lrtui.store.location", set()),
        ("import lrtui.engine.run_code, lrtui.schedules.simulate, lrtui.store.store_feed", {"numpy"}),
        (command("schedulers"), set()),
        (command("schedulers", "OneCycleLR"), set()),
        (command("keys"), {"numpy"}),
        (command("find", "--help"), {"numpy"}),
        (command("find", "--optimizer", "Addam(lr=1)"), {"numpy"}),
        ("import lrtui.engine.range_test, lrtui.schedules.lr_placement, lrtui.run.range_curve", {"numpy"}),
        (command("StepLR()"), set()),
        (command("train", "StepLR()"), {"numpy"}),
        (command("train", "StepLR(3)", "--task", "nowhere"), {"numpy"}),
        (command("train", "Foo(3)", "--optimizer", "Adam(lr=0.1)"), {"numpy"}),
        (command("check", "--help"), {"numpy"}),
        (command("check", "StepLR("), {"numpy"}),
        (command("check", "--explain", "dead-tail"), {"numpy"}),
        ("import lrtui.analysis.checks", {"numpy"}),
        (command("runs", "--help"), set()),
        (command("runs", "list", "--store", "nowhere"), set()),
        (command("send", "last", "pause", "--store", "nowhere"), set()),
        (command("send", "last", "StepLR()", "--store", "nowhere"), set()),
        ("import lrtui.store.removal, lrtui.store.garbage, lrtui.store.connection", set()),
        ("import lrtui.run.comparison, lrtui.cli.runs.show, lrtui.cli.runs.compare", {"numpy"}),
        ("import lrtui.store.tensorboard_export", {"numpy"}),
        ("import lrtui.tui.app", {"textual", "numpy"}),
        (command("preview", "StepLR(3)", "--json", "--epochs", "1", "--batches-per-epoch", "2"), {"torch", "numpy"}),
    ],
)
def test_only_the_allowed_heavy_packages_are_imported(code: str, allowed: set[str]) -> None:
    assert imported(code) <= allowed


EXTRAS = ("ray", "submitit")
"""Packages that only their engine of races imports, and that a user need not have installed."""

HELP = "\n    ".join(
    [
        "from lrtui.__main__ import COMMANDS, main",
        *(
            [
                "for name in ['', *COMMANDS]:",
                "    try: main([name, '--help'] if name else ['--help'])",
                "    except SystemExit: pass",
            ]
        ),
    ]
)


def test_no_command_imports_ray_or_submitit() -> None:
    assert imported(HELP, EXTRAS) == set()


def test_a_local_race_imports_neither_ray_nor_submitit(tmp_path: Path) -> None:
    arguments = ["race", "StepLR(1)", "ConstantLR()", "--task", "tests/tiny_task.py:Tiny", "--batch-size", "16"]
    arguments += ["--epochs", "1", "--seeds", "1", "--quiet", "--store", str(tmp_path / "store")]
    assert imported(command(*arguments), EXTRAS) == set()


def test_the_cockpit_does_not_import_the_parser_before_its_first_frame() -> None:
    code = "import lrtui.__main__, lrtui.tui.app, sys; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "lrtui.tui.app" in modules
    assert not {"lrtui.schedules.notation", "lrtui.schedules.catalogue", "lrtui.store.connection"} & set(modules)


def test_training_does_not_import_torchvision(tmp_path: object) -> None:
    code = "import lrtui.training.train, lrtui.tasks.fashion_mnist"
    assert "torchvision" not in imported(code)


def test_the_first_frame_waits_for_no_parser_and_no_entry_points() -> None:
    code = "import lrtui.__main__, lrtui.tui.app, lrtui.tui.screens.cockpit"
    late = ("lrtui.schedules.notation", "lrtui.schedules.catalogue", "importlib.metadata", "sqlite3", "json")
    assert imported(code, late) == set()


WATCHING = """
import asyncio, psutil, sys
from pathlib import Path
from lrtui.engine.session import Session
from lrtui.opening import WatchedLogs
from lrtui.run.spec import RunSpec
from lrtui.sources.source import open_logs
from lrtui.tui.app import CockpitApp, import_nothing
from lrtui.tui.view import View

view = View(RunSpec(store="none"), watched=("logs",))
app = CockpitApp(
    Session(), view, load=import_nothing, watched=WatchedLogs(("logs",), lambda: open_logs([Path("logs")]))
)

async def watch():
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(400):
            run = app.cockpit.scene.run
            if run is not None and run.state.step == 100:
                break
            await pilot.pause(0.05)
        assert run.state.step == 100
        # the keys of a run, the picker and the list of metrics
        await pilot.press("3", "p", "escape", "m", "r", "s", "question_mark", "escape", "slash", "x", "escape")
        await pilot.pause(0.5)

asyncio.run(watch())
"""


def test_the_cockpit_watches_logs_without_torch_and_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    rows = (f'{{"step": {step}, "loss": {1 / (1 + step)}, "lr": 0.1, "a": 1, "b": 2}}\n' for step in range(100))
    (tmp_path / "logs" / "train.jsonl").write_text("".join(rows))
    # the highest memory that resource.getrusage returns may be that of the process that started this one
    shown = "print('torch' in sys.modules, psutil.Process().memory_info().rss)"
    done = subprocess.run(
        [sys.executable, "-c", WATCHING + shown], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    has_torch, size = done.stdout.split()[-2:]
    assert has_torch == "False"
    assert int(size) < 200_000_000
