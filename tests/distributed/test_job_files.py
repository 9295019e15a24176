"""The user's files that travel to the nodes of a cluster, and how a worker there finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrtui.distributed import job_files
from lrtui.distributed.job_files import JobFiles
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.schedules.user_module import user_file
from lrtui.tasks.registry import find_task

TASK = "class Net:\n    def model(self): ...\n    def training_data(self): ...\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project, which is the current folder, with a task in `nets/net.py` and a package `models`."""
    folder = tmp_path / "project"
    for name in ("nets/net.py", "models/__init__.py", "data/images.bin", "env/pyvenv.cfg", "env/lib.py", ".git/HEAD"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TASK if name == "nets/net.py" else "")
    monkeypatch.chdir(folder)
    return folder


def files_of(*places: str) -> JobFiles | None:
    return JobFiles.of_code(places, Path(".lrtui"))


def test_code_of_the_current_folder_travels_with_all_of_the_folder(project: Path) -> None:
    (project / ".lrtui").mkdir()
    (project / "ray").mkdir()
    (project / "ray" / "session_latest").symlink_to("session_2026")
    for place in ("nets/net.py", str(project / "nets" / "net.py"), "models", "models.small"):
        files = files_of(place)
        assert files is not None
        assert files.folder == project
        assert {path.name for path in files.left_out} == {".git", ".lrtui", "env", "ray"}


def test_a_file_elsewhere_travels_with_its_folder(project: Path) -> None:
    other = project.parent / "elsewhere" / "net.py"
    other.parent.mkdir()
    other.write_text(TASK)
    for place in (str(other), "../elsewhere/net.py"):
        files = files_of(place)
        assert files is not None
        assert files.folder == other.parent
    with pytest.raises(UsageError, match="are in different folders"):
        files_of(str(other), "nets/net.py")


def test_code_of_installed_packages_does_not_travel(project: Path) -> None:
    assert files_of() is None
    assert files_of("torch.optim", "lrtui") is None


def test_a_missing_file_is_a_usage_error(project: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file nets/other\.py"):
        files_of("nets/other.py")


def test_a_folder_that_is_too_large_names_what_is_large_in_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_files, "MAX_BYTES", 5 * 2**20)
    (project / "data" / "images.bin").write_bytes(bytes(6 * 2**20))
    with pytest.raises(LrtuiError, match=r"with 6 MB of at most 5: data \(6 MB\), nets"):
        files_of("nets/net.py")
    # Ray itself reads what this file leaves out
    (project / ".rayignore").write_text("data\n")
    assert files_of("nets/net.py") is not None
    # a virtual environment does not count
    (project / ".rayignore").unlink()
    (project / "data" / "images.bin").rename(project / "env" / "images.bin")
    assert files_of("nets/net.py") is not None


@pytest.mark.parametrize("place", ["nets/net.py", "{project}/nets/net.py", "../elsewhere/net.py", "{elsewhere}/net.py"])
def test_a_worker_loads_the_file_of_its_copy(place: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = project.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "net.py").write_text(TASK)
    place = place.format(project=project, elsewhere=elsewhere)
    files = files_of(place)
    assert files is not None
    environment = files.environment
    # what Ray does on a node, whose files are others
    copy = project.parent / "node" / "copy"
    copy.parent.mkdir()
    files.folder.rename(copy)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(copy)
    assert user_file(place).is_relative_to(copy)
    assert type(find_task(f"{place}:Net")).__name__ == "Net"
    # files that did not travel are where the notation says
    assert user_file("/usr/net.py") == Path("/usr/net.py")
