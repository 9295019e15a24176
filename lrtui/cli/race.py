"""`lrtui race`: trains with several schedules and compares them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from lrtui.analysis.race.plan import (
    DEFAULT_SEEDS,
    MAX_RUNS,
    Entrant,
    RacePlan,
    check_entrants,
    new_plan,
    parse_entrant,
)
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.race import Race, race_launcher
from lrtui.analysis.race.report import standing_lines, standing_markdown, standing_records
from lrtui.analysis.race.results import CellResult, read_results
from lrtui.analysis.race.standing import Standing, mean_tests, rank
from lrtui.analysis.race.unfinished import find_unfinished, has_open_runs
from lrtui.cli.charts import MARKERS, Curve, epoch_ticks, print_chart, print_legend
from lrtui.cli.command import Command, option
from lrtui.cli.engine_options import check_installed, engine_options, read_engine
from lrtui.cli.exit_codes import DIVERGED, DONE, FAILED, stop_on_signals
from lrtui.cli.headless import headless_notifier
from lrtui.cli.optimizer_options import with_task_optimizer
from lrtui.cli.options import (
    check_at_most_one,
    check_notation,
    load_settings,
    notify_options,
    read_count,
    read_number,
    read_spec,
    run_options,
    schedule_argument,
)
from lrtui.cli.progress import Progress
from lrtui.cli.task_output import task_output_on_stderr
from lrtui.cli.terminal import print_prose, terminal_width
from lrtui.engine.notification import Notification, Notifier
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.evaluations import ACCURACY
from lrtui.run.spec import RunSpec
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer
from lrtui.store.location import store_option
from lrtui.store.output_file import write_file
from lrtui.text.format import counted, figure, printable

EPILOG = """\
A hopeless schedule is stopped early: its remaining lr is almost 0, it no longer improves, and it is behind by more than
noise.
The exact rule is in docs/laboratory.md, and is printed with the results when it has stopped a schedule.

Exit status: 0 done, 1 failed, 2 usage error, 3 all diverged, 130 interrupted, 143 terminated, 129 terminal closed.

Examples:
  lrtui race "ExponentialLR(gamma=0.1)" "OneCycleLR(max_lr=0.003)" "CosineAnnealingLR() on Adam(lr=0.001)"
  lrtui race "StepLR(3)" "CosineAnnealingLR()" --seeds 3 --epochs 5 --jobs 2 --markdown race.md
  lrtui race --all --epochs 3
  lrtui race --resume last
  lrtui race --report 2 --json
"""

ALL_SEEDS = 1
"""The default number of seeds with --all, which already makes a run for each of more than 25 schedules."""

# one marker per schedule, because curves in Braille dots would look alike
ENTRANT_MARKERS = MARKERS[1:]


@click.command(cls=Command, epilog=EPILOG)
@schedule_argument(
    "schedules",
    nargs=-1,
    required=False,
    help_text="Two schedules or more; SCHEDULE on OPTIMIZER sets another optimizer.",
)
@option("--all", "every", is_flag=True, help="race a schedule of each scheduler, fitted to the run, with one seed")
@option("--seeds", metavar="N", help=f"number of seeds, counting up from --seed (default: {DEFAULT_SEEDS})")
@option("--target", metavar="X", help="measure the time to this accuracy (or test loss)")
@option("--no-stop", is_flag=True, help="train hopeless schedules to the end as well")
@option("--resume", metavar="[RACE]", is_flag=False, flag_value="last", help="continue a race: its number or last")
@option(
    "--report", metavar="[RACE]", is_flag=False, flag_value="last", help="show the results so far and train nothing"
)
@option("--new", is_flag=True, help="start a new race even if the same one was interrupted")
@option("--json", "as_json", is_flag=True, help="print a JSON object for each run and schedule, then one for the race")
@option("--markdown", metavar="FILE", help="also write the results to FILE as Markdown", type=click.Path())
@option("--quiet", is_flag=True, help="print no messages about runs and epochs")
@notify_options("at the end of the race")
@engine_options()
@run_options()
def command(
    schedules: tuple[str, ...],
    every: bool,
    seeds: str | None,
    target: str | None,
    no_stop: bool,
    resume: str | None,
    report: str | None,
    new: bool,
    as_json: bool,
    markdown: str | None,
    quiet: bool,
    notify: str | None,
    notify_terminal: bool,
    **options: Any,
) -> int:
    """Each schedule is trained with each seed, and each training is a stored run; with the same seed all schedules have
    the same initial weights and data order. Differences are from the first schedule, paired over the seeds.

    With --all, one schedule of each scheduler races, after those given: its example, fitted to the run by `check`, with
    the optimizer's lr as its peak. Race the best few again with more seeds: with one seed, small differences are noise.

    An interrupted race continues with --resume, or when the same command is given again: finished runs are not
    repeated, the others continue from their last checkpoint. Ctrl-C interrupts the race, a second one exits
    immediately. A finished run keeps its last checkpoint.

    The results go to standard output and everything else to standard error.
    """
    check_at_most_one(resume=resume, report=report, new=new)
    number = resume or report
    if number and (schedules or every):
        raise UsageError("--resume and --report take no schedules: the race already has its own")
    if markdown is not None and not Path(markdown).parent.is_dir():
        # checked before hours of training
        raise UsageError(f"--markdown {markdown}: there is no such folder")
    settings = load_settings()
    in_terminal = notify_terminal or settings.notify_terminal
    notifier = headless_notifier(notify or settings.notify, in_terminal, lambda line: print_prose(line, sys.stderr))
    files = PlanFiles.of_store(options["store"])

    if number:
        plan = files.find(number)
        if resume:
            plan.engine = read_engine(options, plan.engine)
            check_installed(plan.engine)
    else:
        entrants = [parse_entrant(text) for text in schedules]
        if not every:
            check_entrants(entrants)
        spec = read_spec(options, None, settings.run)
        check_notation(spec)
        spec = with_task_optimizer(spec)
        if every:
            entrants += [entrant for entrant in _every_entrant(spec) if entrant not in entrants]
            check_entrants(entrants)
        plan = new_plan(
            entrants,
            spec,
            files.folder,
            seeds=read_count("--seeds", seeds, ALL_SEEDS if every else DEFAULT_SEEDS, MAX_RUNS),
            engine=read_engine(options),
            stops=not no_stop,
            target=None if target is None else read_number("--target", target, minimum=-math.inf),
        )
        unfinished = None if new else find_unfinished(files, plan)
        if unfinished is not None:
            print_prose(f"{unfinished.title} was interrupted and continues; --new starts a new one", sys.stderr)
            plan = unfinished
        else:
            files.create(plan)
    trains = not report and (not resume or has_open_runs(files, plan))
    try:
        signal_code = _run(files, plan, quiet=quiet) if trains else 0
    except LrtuiError as error:
        _notify(notifier, _notification(plan, "failed", str(error).splitlines()[0]))
        raise
    results = read_results(files.folder, plan)
    standing = rank(plan, results)
    if trains:
        _notify(notifier, _end_notification(standing, was_interrupted=bool(signal_code)))
    if as_json:
        for record in standing_records(standing, results):
            print(json.dumps(record, allow_nan=False))
    else:
        _print_report(standing, results)
    if markdown is not None:
        _write_markdown(standing, Path(markdown), files.folder)
    if signal_code:
        store = store_option(files.folder)
        print_prose(f"{plan.title} is stored; lrtui race --resume {plan.number}{store} continues it", sys.stderr)
        return signal_code
    return _exit_code(standing)


def _every_entrant(spec: RunSpec) -> list[Entrant]:
    """Return an entrant for each scheduler, with the optimizer of the race."""
    # checking the schedules imports torch, which the other races do in their own processes
    from lrtui.analysis.suggest.every_schedule import every_schedule
    from lrtui.analysis.suggest.range_test import batches_per_epoch

    with task_output_on_stderr():
        batches = batches_per_epoch(spec, lambda line: print_prose(line, sys.stderr))
        found = every_schedule(parse_optimizer(spec.optimizer), Horizon.of(spec, batches))
    return [parse_entrant(text) for text in found]


def _run(files: PlanFiles, plan: RacePlan, *, quiet: bool) -> int:
    """Train what is left; return the exit code of a signal that interrupted it, or 0."""
    progress = Progress(plan.title, is_shown=not quiet)

    def say(line: str) -> None:
        if not quiet:
            progress.say(printable(line))

    say(
        f"{plan.title}: {counted(len(plan.cells), 'run')} of {plan.common.length}, {plan.common.task}, "
        f"stored in {files.folder}"
    )
    race: Race | None = None

    def stop(because: str) -> None:
        if race is None:
            # an engine may take long to start, and has nothing to save
            raise KeyboardInterrupt
        race.stop(because)

    with (
        progress,
        task_output_on_stderr(),
        stop_on_signals(stop) as signals,
        suppress(KeyboardInterrupt),
        race_launcher(files, plan, say) as launcher,
    ):
        race = Race(files, plan, say, launcher, progress.update)
        race.run()
    # a signal after the last run has ended interrupts nothing
    return signals[0] if signals and has_open_runs(files, plan) else 0


def _notify(notifier: Notifier | None, notification: Notification) -> None:
    """Send a notification, and wait for its command, which would otherwise end with this process."""
    if notifier is not None:
        notifier.send(notification)
        notifier.wait()


def _notification(plan: RacePlan, event: str, text: str, schedule: str = "") -> Notification:
    return Notification(event, "", schedule, printable(f"{plan.title} {event}: {text}"))


def _end_notification(standing: Standing, *, was_interrupted: bool) -> Notification:
    """Return the notification of a race's end: the first schedule and its value, or why there is none."""
    plan, code = standing.plan, _exit_code(standing)
    event = "stopped" if was_interrupted else {DONE: "done", DIVERGED: "diverged"}.get(code, "failed")
    if standing.placings:
        first = standing.placings[0]
        mean = "mean " if len(standing.seeds) > 1 else ""
        so_far = "" if standing.is_whole else " so far"
        text = f"{first.label} is first{so_far}, {mean}{standing.metric} {figure(first.mean)}"
        return _notification(plan, event, text, plan.entrants[first.entrant].schedule)
    reason = next((f": {other.label} {other.why} {other.text}" for other in standing.unranked), "")
    return _notification(plan, event, f"no schedule is ranked{reason}")


def _write_markdown(standing: Standing, path: Path, folder: Path) -> None:
    remedy = f"; lrtui race --report {standing.plan.number} --markdown FILE{store_option(folder)} writes it again"
    write_file(path, [f"{line}\n" for line in standing_markdown(standing)], remedy)


def _exit_code(standing: Standing) -> int:
    if standing.placings or not standing.unranked:
        return DONE
    reasons = {unranked.why for unranked in standing.unranked}
    if reasons == {"diverged"}:
        return DIVERGED
    return FAILED if reasons & {"failed", "diverged"} else DONE


def _print_report(standing: Standing, results: Sequence[CellResult]) -> None:
    """Print the table, and a chart of each schedule's mean result by epoch."""
    for line in standing_lines(standing, terminal_width()):
        print(line)
    curves, labels = [], []
    for index, means in mean_tests(standing, results).items():
        marker = ENTRANT_MARKERS[index % len(ENTRANT_MARKERS)]
        curves.append(Curve(list(means), list(means.values()), index, marker))
        labels.append((marker, index, printable(standing.plan.entrants[index].label)))
    if not curves:
        return
    last = max(epoch for curve in curves for epoch in curve.epochs)
    print(f"\ntest {standing.metric} by epoch")
    print_chart(curves, epoch_ticks(1, last), from_zero=False, is_share=standing.metric == ACCURACY)
    for label in labels:
        print_legend(*label)
