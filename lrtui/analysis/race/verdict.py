"""What a race's standing says, in sentences."""

from __future__ import annotations

from lrtui.analysis.race.significance import Difference
from lrtui.analysis.race.standing import Placing, Standing
from lrtui.analysis.race.stopping import REFERENCE, RULE
from lrtui.text.format import counted, figure


def signed(value: float) -> str:
    """Return a difference with its sign: `+0.0021`."""
    return f"{value:+.4f}" if abs(value) < 1e5 else f"{value:+.4g}"


def interval_words(difference: Difference) -> str:
    """Return a confidence interval in brackets; nothing where one seed gives none."""
    if difference.low is None or difference.high is None:
        return ""
    return f"[{signed(difference.low)}, {signed(difference.high)}]"


def summary(standing: Standing) -> list[str]:
    """Return who leads, by how much, and whether that is more than noise."""
    if not standing.placings:
        return ["nobody is ranked: no seed has been run to the end by all that are in the race"]
    first = standing.placings[0]
    mean = f"a mean {standing.metric}" if len(standing.seeds) > 1 else f"{standing.metric}"
    words = f"first: {first.label}, {mean} of {figure(first.mean)} after {standing.step:,} steps"
    if standing.lead is None:
        return [f"{words}; nobody else is ranked"]
    return [words, _lead_words(standing.lead, standing.placings[1], len(standing.placings))]


def _lead_words(lead: Difference, second: Placing, ranked: int) -> str:
    ahead = f"ahead of {second.label} by {figure(abs(lead.mean))}"
    if lead.verdict == "one seed":
        return f"{ahead}: one seed says nothing of noise, and the order may be chance; --seeds 5 says more"
    corrected = f", corrected for the {lead.comparisons} pairs that could have led" if ranked > 2 else ""
    beyond = "within noise" if lead.verdict == "within noise" else "beyond noise"
    return f"{ahead}, {interval_words(lead)}: {beyond} ({counted(lead.seeds, 'seed')}{corrected})"


def notes(standing: Standing) -> list[str]:
    """Return what has to be known to read the table."""
    lines = []
    if standing.placings:
        lines.append(
            f"{standing.metric}: the test's at equal steps, after {standing.step:,} (epoch {standing.epoch}); "
            + ("mean over " if len(standing.seeds) > 1 else "")
            + f"{counted(len(standing.seeds), 'seed')}, {_seed_words(standing.seeds)}; a seed has the same initial "
            "weights and data order for all"
        )
        lines.append(standing.data_words)
    lines += _difference_notes(standing)
    if standing.target is not None:
        chosen = "" if standing.plan.target is not None else ", the best of the run whose best is the worst"
        lines.append(
            f"to {figure(standing.target)}{chosen}: mean steps and training time until a test at an epoch's end showed "
            "it; ranked by steps, since seconds depend on what else the machine does"
        )
    if not standing.is_whole and standing.placings:
        lines.append(f"the race is not over: {len(standing.seeds)} of {len(standing.plan.seeds)} seeds are in this")
    if any(absent.why == "stopped" for absent in standing.absent):
        lines.append(f"the rule: {RULE}")
    return lines


def _seed_words(seeds: tuple[int, ...]) -> str:
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _difference_notes(standing: Standing) -> list[str]:
    differences = [placing.difference for placing in standing.placings if placing.difference is not None]
    if not differences:
        return []
    assert standing.reference is not None
    label, any_one = standing.plan.entrants[standing.reference].label, differences[0]
    who = "the first one given" if standing.reference == REFERENCE else "the leader, the first one given being out"
    if any_one.low is None:
        return [f"difference: to {label}, {who}; with one seed there is no interval and no verdict"]
    together = f"; {any_one.comparisons} hold together (Bonferroni)" if any_one.comparisons > 1 else ""
    return [
        f"difference: to {label}, {who}, paired over the seeds, with its 95 % interval by Student's t{together}; "
        "better and worse are where the interval leaves out 0"
    ]
