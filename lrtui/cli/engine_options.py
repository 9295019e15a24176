"""The options that say where the runs of a race or a search train."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lrtui.analysis.race.plan import MAX_PROCESSES
from lrtui.cli.command import option
from lrtui.cli.options import Decorator, check_at_most_one, parse_number, read_count
from lrtui.distributed.engine_settings import ENGINES, LOCAL, RAY, SLURM, EngineSettings
from lrtui.distributed.slurm_launcher import minutes_of
from lrtui.run.errors import UsageError

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

SECTION = "Engine options"

PACKAGES = {RAY: ("ray", "Ray"), SLURM: ("submitit", "submitit")}
"""The package that an engine imports, and its name; both are extras of lrtui with the engine's name."""

OF_ENGINE = {
    "address": ((RAY,), "the address of a Ray cluster"),
    "host": ((RAY, SLURM), "how workers on other machines reach this one"),
    "cpus": ((RAY, SLURM), "what each run asks a cluster for; the local engine divides the cores of this machine"),
    "gpus": ((RAY, SLURM), "what each run asks a cluster for; --device chooses the device of local runs"),
    "slurm": ((SLURM,), "an option of Slurm's sbatch"),
}
"""The engines that an option is for, and what it is."""

FREE_TEXTS = ("setup", "comment", "job-name")
"""Options of --slurm whose value may be any text."""

_SBATCH_OPTION = re.compile(r"[a-z][a-z0-9-]*")


def engine_options() -> Decorator:
    """Add the options of the engine; `read_engine` reads them."""
    added = (
        option(
            "--engine",
            metavar="|".join(ENGINES),
            section=SECTION,
            help=f"what starts the runs: this machine, a Ray cluster or Slurm (default: {LOCAL})",
            shell_complete=_complete_engine,
        ),
        option(
            "--jobs",
            metavar="N",
            section=SECTION,
            help="runs at the same time, each in its own process "
            f"(default: 1; with ray and slurm {MAX_PROCESSES}, as many as there is room for)",
        ),
        option("--processes", metavar="N", section=SECTION, help="the same as --jobs"),
        option(
            "--address",
            metavar="ADDR",
            section=SECTION,
            help="the Ray cluster, as HOST:PORT or auto (default: RAY_ADDRESS, or else a cluster on this machine)",
        ),
        option(
            "--host",
            metavar="HOST",
            section=SECTION,
            help="name or address by which workers reach this machine (default: that of the cluster, or its host name)",
        ),
        option("--cpus", metavar="N", section=SECTION, help="CPU cores of each run (default: 1 for each process)"),
        option(
            "--gpus",
            metavar="N",
            section=SECTION,
            help="GPUs of each run; with ray also a fraction, such as 0.25 "
            "(default: 1 for each process with --device cuda, or else 0)",
        ),
        option(
            "--slurm",
            metavar="OPTION[=VALUE]",
            multiple=True,
            section=SECTION,
            help="an option of sbatch, such as partition=gpu; cluster=local needs no Slurm (can be repeated)",
        ),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for add in reversed(added):
            function = add(function)
        return function

    return decorate


def read_engine(options: Mapping[str, Any], default: EngineSettings | None = None) -> EngineSettings:
    """Return the engine that the options of `engine_options` describe.

    Args:
        options: texts by name; None or () for an option that was not given. Other names are ignored.
        default: returned if none of them was given.

    Raises:
        UsageError: for a value out of its range, options that don't fit the engine, and an engine whose package is not
            installed.
    """
    given = {name: options.get(name) for name in ("engine", "jobs", "processes", *OF_ENGINE)}
    if default is not None and not any(given.values()):
        return default
    name = given["engine"] or LOCAL
    if name not in ENGINES:
        raise UsageError(f"--engine takes {', '.join(ENGINES[:-1])} or {ENGINES[-1]}, not {name[:40]!r}")
    for other, (engines, what) in OF_ENGINE.items():
        if given[other] and name not in engines:
            raise UsageError(f"--{other} is only for --engine {' and '.join(engines)}: it is {what}")
    for other in ("address", "host"):
        if (text := given[other]) is not None and not text.strip():
            # as from a variable of the shell that is not set
            raise UsageError(f"--{other} is empty: leave it out, or say {OF_ENGINE[other][1]}")
    check_at_most_one(jobs=given["jobs"], processes=given["processes"])
    jobs_option = "processes" if given["processes"] else "jobs"
    slurm = _read_slurm(given["slurm"] or ())
    is_local = name == LOCAL or ("cluster", LOCAL) in slurm
    settings = EngineSettings(
        name,
        jobs=read_count(f"--{jobs_option}", given[jobs_option], 1 if is_local else MAX_PROCESSES, MAX_PROCESSES),
        address=given["address"],
        host=given["host"],
        cpus=None if given["cpus"] is None else read_count("--cpus", given["cpus"]),
        gpus=None if given["gpus"] is None else _read_gpus(given["gpus"], name),
        slurm=slurm,
    )
    check_installed(settings)
    return settings


def check_installed(settings: EngineSettings) -> None:
    """Check that the package of an engine is installed, without importing it.

    Raises:
        UsageError: says how to install it.
    """
    if settings.name not in PACKAGES:
        return
    package, title = PACKAGES[settings.name]
    if find_spec(package) is None:
        raise UsageError(
            f"--engine {settings.name} needs {title}, which is not installed: pip install 'lrtui[{settings.name}]'"
        )


def _read_gpus(text: str, engine: str) -> float:
    gpus = parse_number(text)
    if math.isfinite(gpus) and gpus >= 0 and (gpus == int(gpus) or (gpus < 1 and engine == RAY)):
        return gpus
    fraction = "a fraction below 1 or " if engine == RAY else ""
    raise UsageError(f"--gpus takes {fraction}a whole number of GPUs, not {text[:40]!r}")


def _read_slurm(texts: tuple[str, ...]) -> tuple[tuple[str, str | bool], ...]:
    """Return the options of sbatch by name."""
    found: list[tuple[str, str | bool]] = []
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip().replace("_", "-")
        if not _SBATCH_OPTION.fullmatch(name) or (sign and not value.strip()):
            raise UsageError(f"--slurm takes an option of sbatch such as partition=gpu or exclusive, not {text[:40]!r}")
        if name not in FREE_TEXTS and re.search(r"\s\S+=", value):
            raise UsageError(f"--slurm takes one option of sbatch, and can be repeated, not {text[:40]!r}")
        if name == "cluster" and value not in (LOCAL, SLURM):
            raise UsageError(f"--slurm cluster takes {SLURM} or {LOCAL}, not {value[:40]!r}")
        if name == "time":
            minutes_of(value)
        if name != "setup" and any(name == other for other, _ in found):
            raise UsageError(f"--slurm {name} is given twice")
        found.append((name, value.strip() if sign else True))
    return tuple(found)


def _complete_engine(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in ENGINES if name.startswith(incomplete)]
