"""The verdict of a race as text, and the notes that explain its table."""

from __future__ import annotations

from lrtui.analysis.race.significance import Difference
from lrtui.analysis.race.standing import Placing, Standing
from lrtui.analysis.race.stopping import REFERENCE, RULE
from lrtui.text.format import counted, figure


def signed(value: float) -> str:
    """Return a difference with its sign: `+0.0021`."""
    return f"{value:+.4f}" if abs(value) < 1e5 else f"{value:+.4g}"


def interval_text(difference: Difference) -> str:
    """Return a confidence interval in brackets, or an empty string with one seed."""
    if difference.low is None or difference.high is None:
        return ""
    return f"[{signed(difference.low)}, {signed(difference.high)}]"


def summary(standing: Standing) -> list[str]:
    """Return which schedule leads, by how much, and whether that is more than noise."""
    if not standing.placings:
        return ["no schedule is ranked yet: no seed is done with all schedules"]
    first = standing.placings[0]
    mean = f"a mean {standing.metric}" if len(standing.seeds) > 1 else f"{standing.metric}"
    text = f"first: {first.label}, {mean} of {figure(first.mean)} after {standing.step:,} steps"
    if standing.lead is None:
        return [f"{text}; no other schedule is ranked"]
    return [text, _lead_text(standing.lead, standing.placings[1], len(standing.placings))]


def _lead_text(lead: Difference, second: Placing, ranked: int) -> str:
    ahead = f"ahead of {second.label} by {figure(abs(lead.mean))}"
    if lead.verdict == "one seed":
        return f"{ahead}; with one seed the order may be due to chance, use --seeds 5"
    corrected = f", corrected for the {lead.comparisons} pairs that could lead" if ranked > 2 else ""
    beyond = "within noise" if lead.verdict == "within noise" else "beyond noise"
    return f"{ahead}, {interval_text(lead)}: {beyond} ({counted(lead.seeds, 'seed')}{corrected})"


def notes(standing: Standing) -> list[str]:
    """Return the notes that explain the table."""
    lines = []
    if standing.placings:
        lines.append(
            f"{standing.metric}: from the test after {standing.step:,} steps (epoch {standing.epoch}); "
            + ("mean over " if len(standing.seeds) > 1 else "")
            + f"{counted(len(standing.seeds), 'seed')}, {_seeds_text(standing.seeds)}; with the same seed all "
            "schedules have the same initial weights and data order"
        )
        lines.append(standing.data_text)
    lines += _difference_notes(standing)
    if standing.target is not None:
        chosen = "" if standing.plan.target is not None else ", the hardest target that every run reaches"
        lines.append(
            f"to {figure(standing.target)}{chosen}: mean steps and training time until a test at the end of an epoch "
            "reached it; ranked by steps, since seconds depend on the load of the machine"
        )
    if not standing.is_whole and standing.placings:
        lines.append(
            f"the race is not finished: {len(standing.seeds)} of {len(standing.plan.seeds)} seeds are included"
        )
    if any(unranked.why == "stopped" for unranked in standing.unranked):
        lines.append(f"stopping rule: {RULE}")
    return lines


def _seeds_text(seeds: tuple[int, ...]) -> str:
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _difference_notes(standing: Standing) -> list[str]:
    differences = [placing.difference for placing in standing.placings if placing.difference is not None]
    if not differences:
        return []
    assert standing.reference is not None
    label, any_one = standing.plan.entrants[standing.reference].label, differences[0]
    who = "the first schedule given" if standing.reference == REFERENCE else "the leader, since the first is not ranked"
    if any_one.low is None:
        return [f"difference from {label}, {who}; with one seed there is no interval and no verdict"]
    together = f"; Bonferroni correction for {any_one.comparisons} intervals" if any_one.comparisons > 1 else ""
    return [
        f"difference from {label}, {who}, paired over the seeds, with its 95 % interval by Student's t{together}; "
        '"better" and "worse" mean that the interval excludes 0'
    ]
