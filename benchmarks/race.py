"""Races every scheduler of the catalogue on the case study, over equal epochs; prints Markdown.

    python benchmarks/race.py [--epochs 3] [--seeds 1] [--precision bf16] [--processes 2] [--store DIR]
    python benchmarks/race.py --train-samples 6000 --test-samples 2000      (a quick check that it works)

Fashion-MNIST, the tutorial's network, Adam. The first entrant is the tutorial's own schedule, at its lr of 0.01. The
others start from Adam(lr=0.002) or have that as their peak, since the race compares shapes: at 0.01 this network loses
a point or more whatever follows. Schedulers that this file does not name race with the example of their catalogue
entry. Lengths in epochs follow from --epochs. With --store, the same command resumes an interrupted race. With one seed
there is no interval, and differences of a few thousandths are noise. SWALR is ranked by the model itself; its averaged
model is tested as well.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from lrtui.analysis.race.plan import new_plan, parse_entrant
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.race import Race
from lrtui.analysis.race.report import standing_markdown
from lrtui.analysis.race.results import read_results
from lrtui.analysis.race.standing import rank
from lrtui.analysis.race.unfinished import find_unfinished
from lrtui.run.spec import RunSpec
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.tasks.registry import expected_batches_per_epoch

LR = 0.002
ON = f" on Adam(lr={LR})"


def schedules(epochs: int, batches: int) -> list[str]:
    """Return the entrants: the tutorial's schedule, then every scheduler, PyTorch's with arguments that fit the run.

    Args:
        epochs: of a run.
        batches: optimizer steps per epoch.
    """
    steps, warm_up = epochs * batches, max(1, epochs * batches // 10)
    half, last = max(1, epochs // 2), max(1, epochs - 1)
    on_lr = [
        f"ConstantLR(factor=0.5, total_iters={half})",
        "ExponentialLR(gamma=0.5)",
        f"StepLR(step_size={half}, gamma=0.3)",
        f"MultiStepLR([{last}], gamma=0.1)",
        f'PolynomialLR(total_iters={steps}, per="batch")',
        "ReduceLROnPlateau(factor=0.3, patience=0)",
        'CosineAnnealingLR(per="batch")',
        f'CosineAnnealingWarmRestarts(T_0={batches}, per="batch")',
        f'LinearLR(start_factor=1.0, end_factor=0.01, total_iters={steps}, per="batch")',
        f'LambdaLR("(1 - epoch / {steps}) ** 2", per="batch")',
        'MultiplicativeLR("0.4")',
        f"SWALR(swa_lr=0.0005, anneal_epochs={half})",
        f"SequentialLR([LinearLR(start_factor=0.1, total_iters={warm_up}), CosineAnnealingLR()], "
        f'milestones=[{warm_up}], per="batch")',
        f'ChainedScheduler([LinearLR(start_factor=0.1, total_iters={warm_up}), CosineAnnealingLR()], per="batch")',
    ]
    absolute = [
        f"OneCycleLR(max_lr={LR})",
        f"CyclicLR(base_lr={LR / 20}, max_lr={LR}, step_size_up={max(1, batches // 2)}, mode='triangular2')",
    ]
    found = ["ExponentialLR(gamma=0.1)", *(text + ON for text in on_lr), *absolute]
    raced = {text.partition("(")[0] for text in found}
    others = [entry for name, entry in CATALOGUE.items() if name not in raced]
    return [*found, *(entry.example + ("" if entry.absolute else ON) for entry in others)]


def main() -> int:
    """Race and print the table; return 1 if none is ranked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, from 0")
    parser.add_argument("--precision", default="fp32", help="fp32 or bf16")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--processes", type=int, default=1, help="runs at a time")
    parser.add_argument("--train-samples", type=int, help="use a part of the data, for a quick check")
    parser.add_argument("--test-samples", type=int)
    parser.add_argument("--data-dir", help="folder of the data set, also for the download")
    parser.add_argument(
        "--store", type=Path, help="store that keeps the race, so that it can be resumed (default: none)"
    )
    options = parser.parse_args()
    spec = RunSpec(
        epochs=options.epochs,
        precision=options.precision,
        device=options.device,
        train_samples=options.train_samples,
        test_samples=options.test_samples,
        data_dir=options.data_dir,
    )
    batches = expected_batches_per_epoch(spec)
    assert batches is not None, "the case study's size is known"
    entrants = [parse_entrant(text) for text in schedules(options.epochs, batches)]
    with tempfile.TemporaryDirectory() as name:
        files = PlanFiles((options.store or Path(name)).absolute())
        # all run to the end, so that the table compares equal epochs
        plan = new_plan(entrants, spec, files.folder, seeds=options.seeds, processes=options.processes, stops=False)
        before = find_unfinished(files, plan)
        if before is None:
            files.create(plan)
        plan = before or plan
        Race(files, plan, lambda line: print(line, file=sys.stderr, flush=True)).run()
        found = rank(plan, read_results(files.folder, plan))
    print("\n".join([*standing_markdown(found), f"- computed in {spec.precision}"]))
    return 0 if found.placings else 1


if __name__ == "__main__":
    sys.exit(main())
