"""`lrtui race`: schedules against each other."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from lrtui.analysis.race.entrant import check_entrants, parse_entrant
from lrtui.analysis.race.plan import DEFAULT_SEEDS, RacePlan, new_plan
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.race import Race, find_unfinished, has_open_runs
from lrtui.analysis.race.results import read_results, require_store
from lrtui.analysis.race.standing import Standing, rank
from lrtui.analysis.race.stopping import RULE
from lrtui.cli.exit_codes import DIVERGED, DONE, FAILED
from lrtui.cli.options import add_run_options, check_words, read_number, read_spec, told_settings
from lrtui.cli.race_report import print_report
from lrtui.cli.signals import stopping_on_signals
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.store.location import store_folder
from lrtui.text.format import counted, printable

EPILOG = f"""\
every schedule is trained with every seed, and is a run in the store; a seed has the same initial weights and the same
data order for all. Differences are to the first schedule given, paired over the seeds. A race that breaks off goes on
with --resume, and so does the same command given again (--new starts anew): runs that are done are not repeated, one
that broke off goes on from its last checkpoint. Ctrl-C stops it so; a second one leaves at once.
Of a run that is done the last checkpoint stays.

SCHEDULE on OPTIMIZER races a schedule on another optimizer than --optimizer's.

the rule for hopeless schedules: {RULE}.

standard output has the result, everything else goes to standard error. exit status: 0 done, 1 failed, 2 the text are
off, 3 all diverged, 130 interrupted, 143 terminated, 129 hung up

examples:
  lrtui race "ExponentialLR(gamma=0.1)" "OneCycleLR(max_lr=0.003)" "CosineAnnealingLR() on Adam(lr=0.001)"
  lrtui race "StepLR(3)" "CosineAnnealingLR()" --seeds 3 --epochs 5 --processes 2 --markdown race.md
  lrtui race --resume last
  lrtui race --report 2 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's text."""
    parser.add_argument(
        "schedules", metavar="SCHEDULE", nargs="*", help="two or more; SCHEDULE on OPTIMIZER for another optimizer"
    )
    parser.add_argument("--seeds", metavar="N", help=f"how many, from --seed on (default: {DEFAULT_SEEDS})")
    parser.add_argument("--processes", metavar="N", help="runs at once, each in its own process (default: 1)")
    parser.add_argument("--target", metavar="X", help="the accuracy (or test loss) that the time is taken to")
    parser.add_argument("--no-stop", action="store_true", help="run hopeless schedules to the end as well")
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", metavar="RACE", nargs="?", const="last", help="go on with a race: its number or last"
    )
    again.add_argument(
        "--report", metavar="RACE", nargs="?", const="last", help="show a race as it standing, and run none"
    )
    again.add_argument("--new", action="store_true", help="begin anew even where the same race broke off")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON object for each run and schedule, then the race"
    )
    parser.add_argument("--markdown", metavar="FILE", help="write the result there as Markdown, too")
    parser.add_argument("--quiet", action="store_true", help="no narration of runs and epochs")
    add_run_options(parser)


def main(namespace: argparse.Namespace) -> int:
    """Race, print the result, and return the exit status."""
    again = namespace.resume or namespace.report
    if again and namespace.schedules:
        raise UsageError("a race that goes on, or is shown, has its schedules: give its number alone")
    if namespace.markdown is not None and not Path(namespace.markdown).parent.is_dir():
        # found out before hours of racing
        raise UsageError(f"--markdown {namespace.markdown}: there is no such folder")
    folder = require_store(store_folder(namespace.store))
    files = PlanFiles(folder)
    plan = files.find(again) if again else _planned(namespace, files)
    caught = 0 if namespace.report else _run(namespace, files, plan)
    results = read_results(folder, plan)
    standing = rank(plan, results)
    print_report(standing, results, as_json=namespace.json)
    if namespace.markdown is not None:
        _write_markdown(standing, Path(namespace.markdown))
    if caught:
        store = f" --store {namespace.store}" if namespace.store else ""
        print(f"{plan.title} is kept; lrtui race --resume {plan.number}{store} goes on", file=sys.stderr)
        return caught
    return _exit_status(standing)


def _planned(namespace: argparse.Namespace, files: PlanFiles) -> RacePlan:
    """Return the plan that the text stand for: a new one, or that of the same race which broke off."""
    entrants = [parse_entrant(text) for text in namespace.schedules]
    check_entrants(entrants)
    spec = read_spec(namespace, None, told_settings().run)
    check_words(spec)
    plan = new_plan(
        entrants,
        spec,
        files.folder,
        seeds=DEFAULT_SEEDS if namespace.seeds is None else _count("--seeds", namespace.seeds),
        processes=1 if namespace.processes is None else _count("--processes", namespace.processes),
        stops=not namespace.no_stop,
        target=None if namespace.target is None else read_number("--target", namespace.target),
    )
    before = None if namespace.new else find_unfinished(files, plan)
    if before is not None:
        print(f"{before.title} broke off and goes on; --new begins anew", file=sys.stderr)
        return before
    files.create(plan)
    return plan


def _count(option: str, text: str) -> int:
    return int(read_number(option, text, whole=True))


def _run(namespace: argparse.Namespace, files: PlanFiles, plan: RacePlan) -> int:
    """Run what is left; return the exit status of a signal that stopped it, or 0."""
    # a new plan, and one that broke off, has more
    if namespace.resume and not has_open_runs(files, plan):
        return 0

    def say(line: str) -> None:
        if not namespace.quiet:
            print(printable(line), file=sys.stderr, flush=True)

    race = Race(files, plan, say)
    runs, epochs = counted(len(plan.cells), "run"), counted(plan.common.epochs, "epoch")
    say(f"{plan.title}: {runs} of {epochs}, {plan.common.task}, kept in {files.folder}")
    # what a task prints goes beside the narration
    with contextlib.redirect_stdout(sys.stderr), stopping_on_signals(race.stop) as caught:
        race.run()
    # a signal that came as the last run ended has stopped nothing
    return caught[0] if caught and has_open_runs(files, plan) else 0


def _write_markdown(standing: Standing, path: Path) -> None:
    from lrtui.analysis.race.report import standing_markdown

    try:
        path.write_text("\n".join(standing_markdown(standing)) + "\n", encoding="utf-8")
    except OSError as error:
        raise LrtuiError(
            f"{path} can't be written: {error.strerror or error}; lrtui race --report {standing.plan.number} "
            "--markdown FILE writes it again"
        ) from None


def _exit_status(standing: Standing) -> int:
    if standing.placings or not standing.unranked:
        return DONE
    outs = {unranked.why for unranked in standing.unranked}
    if outs == {"diverged"}:
        return DIVERGED
    return FAILED if outs & {"failed", "diverged"} else DONE
