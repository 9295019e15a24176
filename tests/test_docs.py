"""README.md and docs/ are correct: every command and code block in them runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from recorded_runs import recorded_run
from store_runs import store_events

from lrtui import Run, RunSpec
from lrtui.__main__ import COMMANDS, main
from lrtui.attached.snippets import SNIPPETS
from lrtui.cli.engine_options import read_engine
from lrtui.cli.options import read_spec
from lrtui.run.events import EpochDone, EvalDone, LrSet
from lrtui.schedules.notation import parse_schedule

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
SNAPSHOTS = ROOT / "tests" / "tui" / "__snapshots__"
TINY = f"{ROOT / 'tests' / 'tiny_task.py'}:Tiny"

QUICK = {
    "train": ["--batch-size", "1"],
    "race": ["--epochs", "1"],
    "find": ["--steps", "20"],
    "suggest": ["--batch-size", "1"],
}
"""Options that let a documented command train a tiny task in place of the case study."""


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for page, text in PAGES.items():
        for body in re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S):
            yield page, body


def sh_commands() -> list[tuple[str, list[str]]]:
    return [
        (page, arguments)
        for page, body in blocks("sh")
        for line in body.splitlines()
        if (arguments := shlex.split(line, comments=True))
    ]


@pytest.fixture(scope="session")
def folder_with_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose store has two runs, to be copied."""
    folder = tmp_path_factory.mktemp("documented")
    with pytest.MonkeyPatch.context() as monkeypatch:
        # the fixtures that do this for each test come later
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        monkeypatch.setattr("sys.stdin", None)
        for schedule in ("StepLR(1)", "ConstantLR(factor=1.0)"):
            arguments = ["--task", TINY, "--batch-size", "16", "--epochs", "2", "--store", str(folder / ".lrtui")]
            assert main(["train", schedule, *arguments]) == 0
    return folder


@pytest.fixture
def folder(
    folder_with_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """A working directory with two stored runs and the files that the pages name."""
    shutil.copytree(folder_with_runs, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LRTUI_STORE")
    monkeypatch.setattr("sys.stdin", None)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    (tmp_path / "train.py").write_text('print("loss: 0.5")')
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "train.jsonl").write_text(
        "".join(f'{{"step": {n}, "loss": {9 - n}, "lr": 0.1}}\n' for n in range(9))
    )
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for _, body in blocks("python"):
        if body.startswith("# my_task.py"):
            (tmp_path / "my_task.py").write_text(body)
    capsys.readouterr()
    return tmp_path


@pytest.mark.parametrize(
    ("page", "command_line"), sh_commands(), ids=[f"{page}:{' '.join(line)[:60]}" for page, line in sh_commands()]
)
def test_a_documented_command_runs(
    page: str, command_line: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *arguments = command_line
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.M)
        return
    assert program == "lrtui"
    if not arguments or arguments[0] not in COMMANDS:
        # all arguments are parsed before lrtui looks for a terminal, which a test does not have
        assert main(arguments) == 2
        assert "terminal" in capsys.readouterr().err
        return
    if arguments[0] == "send":
        run = Run(RunSpec(task=TINY.replace(":Tiny", ":Slow"), epochs=1000, store=str(folder / ".lrtui"))).start()
        next(iter(run))
        try:
            assert main(arguments) == 0
        finally:
            run.send("stop")
            run.result()
        return
    if arguments[0] in QUICK and "--task" not in arguments:
        arguments += ["--task", TINY, *QUICK[arguments[0]]]
    expected = 1 if arguments[0] == "check" and not {"--explain", "--run"} & set(arguments) else 0
    assert main(arguments) == expected, capsys.readouterr().err


def cluster_commands() -> list[list[str]]:
    """Return the commands that need other machines, which tests don't have."""
    lines = (line for page, body in blocks("text") if page == "machines.md" for line in body.splitlines())
    return [arguments for line in lines if (arguments := shlex.split(line, comments=True))]


@pytest.mark.parametrize("command_line", cluster_commands(), ids=" ".join)
def test_a_documented_command_of_a_cluster_has_valid_options(command_line: list[str]) -> None:
    program, *arguments = command_line
    if program == "torchrun":
        from torch.distributed.run import get_args_parser

        parsed = get_args_parser().parse_args(arguments)
        assert (parsed.module, parsed.training_script) == (True, "lrtui")
        program, *arguments = ["lrtui", *parsed.training_script_args]
    if program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert [each for each in extras if f"lrtui[{each}]" in arguments]
        return
    if program == "ray":
        from ray.scripts.scripts import cli

        with cli.commands[arguments[0]].make_context("ray", arguments[1:]):
            return
    assert program == "lrtui"
    module, _, name = COMMANDS[arguments[0]][0].partition(":")
    with getattr(import_module(module), name).make_context("lrtui", arguments[1:]) as context:
        read_spec(context.params, None)
        assert arguments[0] == "train" or not read_engine(context.params).is_this_process


def scripts() -> list[tuple[str, str]]:
    """Return the documented scripts that are complete."""
    return [block for block in blocks("python") if block[1] not in SNIPPETS.values()]


def test_every_snippet_is_documented() -> None:
    documented = [body for page, body in blocks("python") if page == "attach.md"]
    assert [body for body in documented if body in SNIPPETS.values()] == [*SNIPPETS.values()]
    for snippet in SNIPPETS.values():
        compile(snippet, "snippet", "exec")


@pytest.mark.parametrize(("page", "body"), scripts(), ids=lambda value: value[:40].splitlines()[0])
def test_a_documented_script_runs(page: str, body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # the same run on a few images
    exec(body.replace("epochs=5", "epochs=3, train_samples=256, test_samples=64"), {"__name__": "documented"})


@pytest.mark.parametrize(("page", "body"), blocks("schedule"), ids=lambda value: value[:40].splitlines()[0])
def test_a_documented_schedule_is_valid(page: str, body: str) -> None:
    notations = [part for line in body.splitlines() for part in re.split(r"\s{2,}", line) if part]
    assert notations
    for notation in notations:
        parse_schedule(notation)


def test_every_block_has_a_language_that_is_tested() -> None:
    for page, text in PAGES.items():
        languages = re.findall(r"^```(\w*)\n.*?^```", text, re.M | re.S)
        # text is shell start-up lines and runs of several processes, which tests/cli/test_completion.py and
        # tests/cli/test_torchrun_ranks.py run, and commands of clusters
        has_text = page in ("command-line.md", "machines.md")
        assert set(languages) <= {"sh", "python", "schedule", "sql"} | ({"text"} if has_text else set())


def test_every_link_leads_to_a_file() -> None:
    for page, text in PAGES.items():
        folder = ROOT if page == "README.md" else ROOT / "docs"
        for target in re.findall(r"\]\(([^)#]+)", text):
            assert (folder / target).exists(), (page, target)


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 150


def test_the_documented_keys_are_those_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "--markdown"]) == 0
    assert capsys.readouterr().out.strip() in PAGES["guide.md"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"`lrtui {command}`" in PAGES["command-line.md"]


def test_every_scheduler_of_pytorch_is_in_the_readme() -> None:
    from lrtui.schedules.catalogue import CATALOGUE

    assert all(name in PAGES["README.md"] for name, entry in CATALOGUE.items() if entry.is_pytorch)


def test_the_documented_queries_return_the_described_rows(tmp_path: Path) -> None:
    events = recorded_run(330, nudge_at=130)
    changes = [replace(event, command="lr*1.25") if isinstance(event, LrSet) else event for event in events]
    store_events(tmp_path, changes)
    # a plain SQLite connection
    connection = sqlite3.connect(tmp_path / "runs.db")
    best, by_epoch, by_command = (connection.execute(query).fetchall() for _, query in blocks("sql"))
    connection.close()
    results = [event for event in events if isinstance(event, EvalDone)]
    top = max(results, key=lambda event: event.accuracy or 0.0)
    assert best == [(1, "StepLR(step_size=1, gamma=0.5)", top.accuracy, top.epoch)]
    lrs = [event.lrs[0] for event in events if isinstance(event, EpochDone)]
    assert by_epoch == [
        (1, event.epoch, event.loss, event.accuracy, lr) for event, lr in zip(results, lrs, strict=True)
    ]
    assert by_command == [(1, 130, "lr_set", "lr*1.25")]


def test_every_table_and_column_of_the_store_is_documented(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(10))
    connection = sqlite3.connect(tmp_path / "runs.db")
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    for (table,) in tables:
        if table.startswith("sqlite_"):
            continue
        row = re.search(rf"^\| `{table}` \| (.*) \|$", PAGES["store.md"], re.M)
        assert row, table
        for column in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall():
            assert re.search(rf"\b{column[0]}\b", row[1]), f"{table}.{column[0]}"
    connection.close()


@pytest.mark.parametrize(
    ("picture", "snapshot"),
    [
        ("cockpit", "test_snapshots/test_cockpit[120x36-switched]"),
        ("picker", "test_snapshots/test_picker[120x36-switched]"),
        ("compare", "test_snapshots_screens/test_compare[120]"),
        ("small", "test_snapshots/test_cockpit[80x24-switched]"),
    ],
)
def test_the_pictures_are_those_of_the_snapshots(picture: str, snapshot: str) -> None:
    assert (ROOT / "assets" / f"{picture}.svg").read_text() == (SNAPSHOTS / f"{snapshot}.svg").read_text()
