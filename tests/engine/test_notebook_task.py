"""Tasks whose classes are typed into a notebook or a console: they have no file to import them from."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lrtui import Run, RunSpec, TaskError, UsageError
from lrtui.run.errors import describe_exception, source_location

CELL = """
from tiny_task import Tiny

class Cell(Tiny):
    def loss(self, outputs, targets):
        return super().loss(outputs, targets)

class Broken(Tiny):
    def loss(self, outputs, targets):
        return outputs.no_such_method()

class WithArguments(Tiny):
    def __init__(self, noise):
        super().__init__()
"""

SPEC: dict[str, Any] = {"schedule": "StepLR(1)", "batch_size": 16, "epochs": 2}


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module of a notebook whose first cell was executed."""
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    exec(compile(CELL, "<ipython-input-1-0123456789ab>", "exec"), module.__dict__)
    return module


def test_a_task_of_a_notebook_is_trained_and_resumed_in_its_process_or_with_the_object(
    notebook: ModuleType, tmp_path: Path
) -> None:
    first = Run(RunSpec(store=str(tmp_path), **SPEC), notebook.Cell())
    assert first.spec.task == "__main__:Cell"
    assert first.start().result().status == "done"
    assert Run.resume(1, store=tmp_path, epochs=3).start().result().epoch == 3
    cell = notebook.Cell
    del notebook.Cell
    with pytest.raises(UsageError, match=r"the class Cell was defined in a notebook.*Run.resume\(RUN, task=TASK\)"):
        Run.resume(1, store=tmp_path, epochs=4).start().result()
    resumed = Run.resume(1, store=tmp_path, epochs=4, task=cell()).start()
    assert resumed.result().epoch == 4
    assert not [line for line in resumed.state.log.lines if line.kind == "warning"]


def test_a_task_with_arguments_and_one_of_a_function_are_passed_as_objects(notebook: ModuleType) -> None:
    assert Run(RunSpec(**SPEC), notebook.WithArguments(0.1)).start().result().status == "done"
    with pytest.raises(
        TaskError, match=r"can't be created without arguments: .*; in Python, pass the task as an object"
    ):
        Run(RunSpec(task="__main__:WithArguments", **SPEC)).start().result()

    class Inner(notebook.Cell):  # type: ignore[misc,name-defined]
        pass

    run = Run(RunSpec(**SPEC), Inner())
    assert run.start().result().status == "done"
    with pytest.raises(UsageError, match=r"the class Inner was defined in a notebook, a script or a function"):
        Run(RunSpec(task=run.spec.task, **SPEC)).start().result()


def test_an_error_in_a_cell_is_named_with_its_line(notebook: ModuleType) -> None:
    with pytest.raises(TaskError, match=r"no_such_method.*<ipython-input-1-0123456789ab>, line 10, in loss"):
        Run(RunSpec(**SPEC), notebook.Broken()).start().result()
    assert source_location(notebook.Cell) == ""


def test_generated_code_is_not_the_users() -> None:
    code = compile("def fail():\n    raise ValueError('generated')", "<string>", "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    try:
        names["fail"]()
    except ValueError as error:
        assert "test_notebook_task.py" in describe_exception(error)
