"""`lrtui check`: looks for mistakes in a schedule, before any training."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from lrtui.cli.command import Command, option
from lrtui.cli.exit_codes import DONE, FAILED
from lrtui.cli.optimizer_options import joined_schedules, schedule_by_optimizer_option, with_task_optimizer
from lrtui.cli.options import (
    LENGTH_OPTIONS,
    check_task,
    length_option,
    load_settings,
    read_batches_per_epoch,
    read_spec,
    run_options,
    schedule_argument,
)
from lrtui.cli.recorded_run import RecordedRun, read_recorded_run
from lrtui.cli.run_findings import MAX_STEPS, WRONG_AT_ANY_SCALE, course_findings
from lrtui.cli.stored_runs import complete_runs, folder_of, store_option
from lrtui.cli.terminal import print_prose, terminal_width
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.spec import SCRIPT, option_name
from lrtui.schedules.forecast import request_for_run
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.store.location import store_option as store_option_text
from lrtui.text.format import counted, wrapped

if TYPE_CHECKING:
    from lrtui.analysis.advice.advice import Advice
    from lrtui.analysis.checks import Finding

EPILOG = """\
Exit status: 0 no findings, 1 findings, 2 usage error.

Examples:
  lrtui check "ExponentialLR(gamma=0.1)"
  lrtui check "CosineAnnealingLR(T_max=10, per='batch')" --epochs 30 --batches-per-epoch 500 --json
  lrtui check --run last
  lrtui check --run runs/exp1
  lrtui check --explain dead-tail
  lrtui check --explain
"""

EXPLAINED = "lrtui check --explain CODE explains a finding"

WIDTH = 100
CODE_WIDTH = 26


@click.command(cls=Command, epilog=EPILOG)
@schedule_argument("schedules", nargs=-1, required=False)
@schedule_by_optimizer_option()
@option(
    "--explain",
    metavar="[CODE]",
    is_flag=False,
    flag_value="list",
    help="explain a finding; without CODE list all",
)
@option(
    "--run",
    metavar="RUN",
    help="check the lr that a run has recorded (an id, a name, last, or the path of a log)",
    shell_complete=complete_runs,
)
@store_option()
@option("--json", "as_json", is_flag=True, help="print a JSON object per finding")
@length_option()
@run_options(LENGTH_OPTIONS)
def command(
    schedules: tuple[str, ...],
    explain: str | None,
    run: str | None,
    store: str | None,
    as_json: bool,
    batches_per_epoch: str | None,
    **options: Any,
) -> int:
    """Each schedule is stepped through the whole run, as in training, and checked for mistakes before any
    training. A finding has a code, an explanation and, where possible, a corrected schedule; with several
    schedules, the findings are listed below each schedule.

    With --run the lr that a run has recorded is checked, and its schedule, if that is known; advice on the
    results of the run follows.
    """
    if explain is not None:
        if schedules or run is not None:
            raise UsageError(f"--explain takes a code and no {'schedule' if schedules else 'run'}")
        _explain(explain)
        return DONE
    if run is not None:
        given = {**options, "batches_per_epoch": batches_per_epoch}
        _refuse_beside_run(bool(schedules or options["by_optimizer"]), given)
        return _check_run(run, store, as_json=as_json)
    if store is not None:
        raise UsageError("--store needs --run: it names the store of that run")
    if not schedules and not options["by_optimizer"]:
        raise UsageError("a schedule is needed, or --explain CODE\nTry lrtui check --help.")
    schedules = joined_schedules(schedules, options)
    parsed = [parse_schedule(text) for text in schedules]
    spec = read_spec(options, schedules[0], load_settings().run)
    parse_optimizer(spec.optimizer)
    check_task(spec.task)
    horizon = Horizon.of(spec, read_batches_per_epoch(batches_per_epoch, spec))
    if horizon.total_steps > MAX_STEPS:
        raise UsageError(f"{counted(horizon.total_steps, 'step')} are too many to check; at most {MAX_STEPS:,}")
    # imports numpy and torch, so all arguments are checked first
    from lrtui.analysis.checks import check_schedule

    optimizer = parse_optimizer(with_task_optimizer(spec).optimizer)
    found = False
    for schedule in parsed:
        findings = check_schedule(schedule, optimizer, horizon, accumulate=spec.accumulate)
        found = found or bool(findings)
        indent = "  " if len(parsed) > 1 else ""
        if findings and indent and not as_json:
            print_prose(f"{schedule}")
        for finding in findings:
            _print_finding(finding, str(schedule), indent, as_json=as_json)
        if not findings:
            print_prose(f"{schedule}: ✓ no findings", sys.stderr)
    if found and not as_json:
        print(EXPLAINED, file=sys.stderr)
    return FAILED if found else DONE


def _print_finding(finding: Finding, schedule: str | None, indent: str = "", *, as_json: bool, **fields: Any) -> None:
    """Print a finding.

    Args:
        schedule: the schedule that it is for, for JSON.
        fields: further fields for JSON.
    """
    if as_json:
        record = {"code": finding.code, "message": finding.message, "fix": finding.fix}
        print(json.dumps({**record, "schedule": schedule, **fields}), flush=True)
        return
    print_prose(f"{indent}{finding.code}: {finding.message}")
    if finding.fix is not None:
        print_prose(f"{indent}  better: {finding.fix}")


def _refuse_beside_run(has_schedule: bool, given: Mapping[str, Any]) -> None:
    """Refuse what `--run` makes superfluous.

    Raises:
        UsageError: names it.
    """
    if has_schedule:
        raise UsageError("--run takes no schedule; lrtui preview SCHEDULE --over RUN compares one with the run")
    for name in (*LENGTH_OPTIONS, "batches_per_epoch"):
        if given.get(name) is not None:
            raise UsageError(
                f"{option_name(name)} can't be combined with --run, which has its own length and optimizer"
            )


def _check_run(run: str, store: str | None, *, as_json: bool) -> int:
    """Print the findings for a recorded run."""
    recorded = read_recorded_run(run, store, with_curve=True)
    assert recorded.curve is not None
    if recorded.curve.length > MAX_STEPS:
        raise UsageError(f"{counted(recorded.curve.length, 'step')} are too many to check; at most {MAX_STEPS:,}")
    # imports numpy, so all arguments are checked first
    from lrtui.analysis.checks.recorded import check_recorded

    schedule = recorded.state.schedule or None
    findings = check_recorded(recorded.curve, _schedule_findings(recorded))
    run_name = recorded.title if recorded.number is None else recorded.number
    for finding in findings:
        _print_finding(finding, schedule, as_json=as_json, run=run_name, kind="finding")
    given = _advice_on(recorded)
    for advice in given:
        if as_json:
            record = {"code": advice.code, "message": advice.text, "fix": None, "schedule": schedule, "run": run_name}
            print(json.dumps({**record, "kind": "advice", "effect": advice.effect}), flush=True)
        else:
            store_text = store_option_text(folder_of(store)) if recorded.number is not None else ""
            print_prose(advice.headless_line(recorded.spec, recorded.number, store_text))
    if findings and not as_json:
        print(EXPLAINED, file=sys.stderr)
    if not len(recorded.curve):
        print_prose(f"{recorded.title} has no recorded lr", sys.stderr)
    if not findings and not given:
        print_prose(f"{recorded.title}: ✓ no findings", sys.stderr)
    return FAILED if findings or given else DONE


def _advice_on(recorded: RecordedRun) -> list[Advice]:
    """Return the advice on the results of a run; if it is still training, of its forecast as well."""
    if recorded.is_live and recorded.number is not None:
        from lrtui.analysis.advice.advisor import Advisor
        from lrtui.schedules.forecast import RunForecaster

        return Advisor(RunForecaster()).new_advice(recorded.state)
    from lrtui.analysis.advice.recorded_advice import advice_on

    return advice_on(recorded.state, is_over=not recorded.is_live)


def _schedule_findings(recorded: RecordedRun) -> list[Finding]:
    """Return the findings for the schedule that a run has at its end; none if that is unknown."""
    state = recorded.state
    request = request_for_run(state)
    if request is None or any(part.user_path == SCRIPT for part in parse_schedule(request.schedule).walk()):
        return []
    is_scaled = request.anchor == "current" or any(scale != 1.0 for scale in state.scale)
    try:
        return course_findings(request, recorded.spec.accumulate, WRONG_AT_ANY_SCALE if is_scaled else None)
    except LrtuiError as error:
        # a user's class may have changed, or be gone
        print_prose(f"{request.schedule} can't be checked: {error}", sys.stderr)
        return []


def _explain(code: str) -> None:
    from lrtui.analysis.checks.check import TRAPS, explain

    titles = {trap.code: trap.title for trap in TRAPS}
    lines = (f"{name:<{CODE_WIDTH}} {title}" for name, title in titles.items())
    listed = "\n".join(part for line in lines for part in wrapped(line, terminal_width(), CODE_WIDTH + 1))
    if code == "list":
        print(listed)
        return
    # explain() then raises an error
    if code not in titles:
        print(listed, file=sys.stderr)
    for paragraph in explain(code).splitlines():
        # indented lines are notation and figures
        print(
            paragraph if paragraph.startswith(" ") else textwrap.fill(paragraph, min(WIDTH, terminal_width() or WIDTH))
        )
