"""The options of the engine: what they read, what they refuse, and an engine whose package is not installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from training_runs import TINY

from lrtui.cli.engine_options import read_engine
from lrtui.distributed.engine_settings import EngineSettings
from lrtui.run.errors import UsageError
from lrtui.run.event_json import plain


def test_without_options_the_runs_train_in_this_process() -> None:
    settings = read_engine({})
    assert settings == EngineSettings()
    assert settings.is_this_process


@pytest.mark.parametrize("name", ["jobs", "processes"])
def test_several_jobs_train_in_processes_of_this_machine(name: str) -> None:
    settings = read_engine({name: "3"})
    assert settings == EngineSettings(jobs=3)
    assert not settings.is_this_process


def test_the_settings_of_a_ray_cluster_are_read() -> None:
    options = {"engine": "ray", "address": "head:6379", "host": "driver", "jobs": "8", "cpus": "2", "gpus": "0.25"}
    assert read_engine(options) == EngineSettings("ray", 8, "head:6379", "driver", 2, 0.25)


def test_the_options_of_sbatch_are_read_by_their_names() -> None:
    given = ("partition=gpu", "mail_user=me@example.org", "exclusive", "setup=module load cuda", "setup=ulimit -c 0")
    settings = read_engine({"engine": "slurm", "gpus": "2", "slurm": given})
    assert settings.gpus == 2
    assert settings.slurm == (
        ("partition", "gpu"),
        ("mail-user", "me@example.org"),
        ("exclusive", True),
        ("setup", "module load cuda"),
        ("setup", "ulimit -c 0"),
    )


def test_a_cluster_gets_all_runs_at_once_and_this_machine_one() -> None:
    assert read_engine({"engine": "ray"}).jobs == read_engine({"engine": "slurm"}).jobs == 256
    assert read_engine({"engine": "slurm", "slurm": ("cluster=local",)}).jobs == 1


def test_the_settings_survive_their_json_record() -> None:
    settings = read_engine({"engine": "slurm", "cpus": "4", "slurm": ("partition=gpu", "exclusive")})
    assert EngineSettings.from_json(plain(settings)) == settings
    assert EngineSettings.from_json({}) == EngineSettings()


def test_the_default_is_returned_only_if_no_option_is_given() -> None:
    default = EngineSettings("ray", 8)
    assert read_engine({"slurm": (), "seeds": "3"}, default) == default
    assert read_engine({"jobs": "2"}, default) == EngineSettings(jobs=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "dask"}, "--engine takes local, ray or slurm, not 'dask'"),
        ({"address": "auto"}, "--address is only for --engine ray: it is the address of a Ray cluster"),
        ({"engine": "slurm", "address": "auto"}, "--address is only for --engine ray"),
        ({"host": "me"}, "--host is only for --engine ray and slurm"),
        ({"cpus": "2"}, "--cpus is only for --engine ray and slurm"),
        ({"gpus": "1"}, "--device chooses the device of local runs"),
        ({"engine": "ray", "address": ""}, "--address is empty: leave it out, or say the address of a Ray cluster"),
        ({"engine": "slurm", "host": " "}, "--host is empty"),
        ({"engine": "ray", "slurm": ("partition=gpu",)}, "--slurm is only for --engine slurm"),
        ({"jobs": "2", "processes": "2"}, "--jobs is not allowed with --processes"),
        ({"jobs": "0"}, "--jobs takes a whole number of at least 1"),
        ({"processes": "x"}, "--processes takes a whole number"),
        ({"engine": "ray", "cpus": "0.5"}, "--cpus takes a whole number"),
        ({"engine": "ray", "gpus": "1.5"}, "--gpus takes a fraction below 1 or a whole number of GPUs, not '1.5'"),
        ({"engine": "ray", "gpus": "-1"}, "--gpus takes"),
        ({"engine": "ray", "gpus": "nan"}, "--gpus takes"),
        ({"engine": "slurm", "gpus": "0.5"}, "--gpus takes a whole number of GPUs, not '0.5'"),
        ({"engine": "slurm", "slurm": ("=gpu",)}, "--slurm takes an option of sbatch such as partition=gpu"),
        ({"engine": "slurm", "slurm": ("partition=",)}, "--slurm takes an option of sbatch"),
        ({"engine": "slurm", "slurm": ("qos=a account=b",)}, "--slurm takes one option of sbatch, and can be repeated"),
        ({"engine": "slurm", "slurm": ("qos=a", "qos=b")}, "--slurm qos is given twice"),
        ({"engine": "slurm", "slurm": ("time=2h",)}, "--slurm time takes minutes, hours:minutes:seconds"),
        ({"engine": "slurm", "slurm": ("cluster=pbs",)}, "--slurm cluster takes slurm or local, not 'pbs'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_engine(options)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("engine", "package", "message"),
    [
        ("ray", "ray", "--engine ray needs Ray, which is not installed: pip install 'lrtui[ray]'"),
        ("slurm", "submitit", "--engine slurm needs submitit, which is not installed: pip install 'lrtui[slurm]'"),
    ],
)
@pytest.mark.parametrize("command", [("race", "StepLR(3)", "ConstantLR()"), ("suggest",)], ids=["race", "suggest"])
def test_an_engine_says_which_package_to_install(
    engine: str,
    package: str,
    message: str,
    command: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # as for a package that is not installed, importing it fails
    monkeypatch.setitem(sys.modules, package, None)
    answer = CommandLine(tmp_path / "store", capsys)(*command, "--task", TINY, "--engine", engine)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.strip().endswith(message)
    assert not (tmp_path / "store").exists()
