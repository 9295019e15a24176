"""Exported code: executed, it gives the lr of the preview at every batch, bit for bit."""

from __future__ import annotations

import pytest
from example_counts import examples
from generated_code import lrs_of, run_code
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import optimizers, schedules

from lrtui.engine.run_code import code_of_spec
from lrtui.run.errors import NotationError
from lrtui.run.spec import RunSpec
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS
from lrtui.schedules.simulate import simulate

GROUPS = ("fc1*", "*bias")
LENGTHS = st.tuples(st.integers(1, 8), st.integers(1, 6))
LOSSES = st.lists(st.floats(0, 2), min_size=8, max_size=8)


def code_of(schedule: str, optimizer: str = "SGD(lr=0.1)", epochs: int = 4, batches: int = 3, **more: object) -> str:
    return code_of_spec(RunSpec(schedule=schedule, optimizer=optimizer, epochs=epochs, **more), batches)  # type: ignore[arg-type]


def agrees(schedule: str, optimizer: str, length: tuple[int, int], losses: list[float]) -> bool:
    """Compare the lrs of the code with those of the preview; return whether there is a preview."""
    results = [{"loss": loss, "accuracy": loss} for loss in losses]
    epochs, batches = length
    code = code_of(schedule, optimizer, epochs, batches)
    try:
        lrs = simulate(parse_schedule(schedule), parse_optimizer(optimizer), Horizon(epochs, batches), metrics=results)
    except NotationError:
        # a schedule that can't be previewed fails in the script as well
        assert "error" in run_code(code, results)[1]
        return False
    assert lrs_of(code, results) == lrs.tolist()
    return True


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_code_has_the_lr_of_the_preview(name: str) -> None:
    agreed = []

    @settings(deadline=None, max_examples=examples(10, deep=18), suppress_health_check=[HealthCheck.too_slow])
    @given(schedules(name), optimizers(GROUPS), LENGTHS, LOSSES)
    def check(schedule: str, optimizer: str, length: tuple[int, int], losses: list[float]) -> None:
        agreed.append(agrees(schedule, optimizer, length, losses))

    check()
    assert sum(agreed) > len(agreed) / 2


@pytest.mark.deep
@pytest.mark.parametrize("name", CATALOGUE)
def test_the_code_has_the_lr_of_the_preview_ten_thousand_times(name: str) -> None:
    agreed = []

    @settings(deadline=None, max_examples=10_000 // len(CATALOGUE) + 1, suppress_health_check=[HealthCheck.too_slow])
    @given(schedules(name), st.one_of(optimizers(GROUPS), optimizers()), LENGTHS, LOSSES)
    def check(schedule: str, optimizer: str, length: tuple[int, int], losses: list[float]) -> None:
        agreed.append(agrees(schedule, optimizer, length, losses))

    check()
    assert sum(agreed) > len(agreed) / 2


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_code_of_every_optimizer_runs(name: str) -> None:
    optimizer = f"{name}(lr=0.02)"
    lrs = lrs_of(code_of("StepLR(1, gamma=0.5)", optimizer, 2, 2))
    assert lrs == [[0.02], [0.02], [0.01], [0.01]]


@pytest.mark.parametrize(
    "schedule",
    [
        "OneCycleLR(max_lr=0.1)",
        "StepLR(2, gamma=0.5)",
        "ReduceLROnPlateau(patience=0)",
        "SequentialLR([LinearLR(total_iters=2), CosineAnnealingLR()], milestones=[2])",
        "WSD(warmup=0.1, decay=0.2)",
    ],
)
@pytest.mark.parametrize("more", [{}, {"accumulate": 2}, {"at": ("step 7: lr*0.5", "step 9: StepLR(1, gamma=0.5)")}])
def test_the_code_of_a_number_of_steps_ends_after_them(schedule: str, more: dict[str, object]) -> None:
    spec = RunSpec(schedule=schedule, optimizer="SGD(lr=0.1)", max_steps=11, **more)  # type: ignore[arg-type]
    results = [{"loss": loss, "accuracy": loss} for loss in (1.0, 2.0, 3.0, 4.0)]
    lrs = lrs_of(code_of_spec(spec, 3), results)
    assert len(lrs) == 11
    if not spec.at:
        horizon = Horizon.of(spec, 3)
        expected = simulate(parse_schedule(schedule), parse_optimizer(spec.optimizer), horizon, metrics=results)
        assert lrs == expected.tolist()


# -- what is written --------------------------------------------------------------------------------------------------


def body(code: str) -> str:
    """Return the script from its optimizer on."""
    return code[code.index("optimizer = ") :]


def test_an_epoch_schedule_gives_the_loop_of_the_tutorial() -> None:
    code = code_of("StepLR(3, gamma=0.5)", epochs=10, batches=938)
    assert "from torch.optim.lr_scheduler import StepLR\n" in code
    assert "epochs = 10\nbatches_per_epoch = 938\n" in code
    assert body(code) == (
        "optimizer = optim.SGD(model.parameters(), lr=0.1)\n"
        "scheduler = StepLR(optimizer, step_size=3, gamma=0.5)\n"
        "\n"
        "for epoch in range(epochs):\n"
        "    for inputs, targets in train_batches:\n"
        "        optimizer.zero_grad()\n"
        "        loss = loss_function(model(inputs), targets)\n"
        "        loss.backward()\n"
        "        optimizer.step()\n"
        "    scheduler.step()\n"
    )


def test_a_schedule_per_batch_is_stepped_in_the_inner_loop_and_its_length_is_written_out() -> None:
    code = body(code_of("OneCycleLR(max_lr=0.3)", "Adam(lr=0.01, betas=(0.8, 0.99))"))
    assert "optim.Adam(model.parameters(), lr=0.01, betas=(0.8, 0.99))" in code
    assert "OneCycleLR(optimizer, max_lr=0.3, total_steps=12)" in code
    assert code.endswith("        optimizer.step()\n        scheduler.step()\n")


def test_a_one_cycle_that_ends_before_the_run_holds_its_last_lr() -> None:
    alone = code_of("OneCycleLR(0.3, total_steps=5)")
    assert "if scheduler.last_epoch < scheduler.total_steps - 1:\n            scheduler.step()" in alone
    assert "Held" not in alone
    inside = code_of('ChainedScheduler([OneCycleLR(0.3, total_steps=5), StepLR(99)], per="batch")')
    assert "HeldOneCycleLR(optimizer, max_lr=0.3, total_steps=5)" in inside
    for code in (alone, inside):
        assert lrs_of(code)[5:] == [lrs_of(code)[4]] * 7
    # a one-cycle of at least the run's length needs neither
    for steps in (12, 13):
        assert body(code_of(f"OneCycleLR(0.3, total_steps={steps})")).endswith("()\n        scheduler.step()\n")
    segments = "SequentialLR([LinearLR(), OneCycleLR(0.3), OneCycleLR(0.1)], milestones=[2, 7], per='batch')"
    assert "Held" not in code_of(segments)


def test_a_plateau_schedule_is_stepped_with_the_test_metric() -> None:
    assert body(code_of("ReduceLROnPlateau(patience=1)")).endswith(
        '    test_loss = evaluate(model)["loss"]\n    scheduler.step(test_loss)\n'
    )
    assert body(code_of('ReduceLROnPlateau(mode="max")')).endswith("    scheduler.step(test_accuracy)\n")
    code = code_of('ReduceLROnPlateau(metric="f1")')
    assert '        "f1": 0.0,  # replace\n' in code
    assert len(lrs_of(code)) == 12


def test_weights_are_averaged_from_the_start_of_swalr() -> None:
    alone = code_of("SWALR(swa_lr=0.01, anneal_epochs=2)")
    assert "from torch.optim.swa_utils import AveragedModel, SWALR, update_bn\n" in alone
    assert "    averaged_model.update_parameters(model)\n    scheduler.step()\n" in alone
    assert alone.endswith("update_bn(train_batches, averaged_model)\n")
    later = "SequentialLR([StepLR(9), SWALR(swa_lr=0.01)], milestones=[{}], per={!r})"
    for text, steps in [("SWALR(swa_lr=0.01)", 4), (later.format(1, "epoch"), 3), (later.format(5, "batch"), 7)]:
        averaged = run_code(code_of(text))[1]["averaged_model"]
        assert averaged.n_averaged.item() == steps


def test_a_parameter_belongs_to_the_first_pattern_that_matches() -> None:
    optimizer = 'Adam(lr=0.01, groups={"fc1*": {"lr": 0.002}, "*bias": {"lr": 0.003, "betas": (0.5, 0.9)}})'
    _, names = run_code(code_of("StepLR(3)", optimizer))
    groups = names["optimizer"].param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.001, 0.0002, 0.0003])
    by_parameter = {id(parameter): name for name, parameter in names["model"].named_parameters()}
    members = [[by_parameter[id(parameter)] for parameter in group["params"]] for group in groups]
    assert members == [["body.weight"], ["fc1.weight", "fc1.bias"], ["body.bias"]]
    assert groups[2]["betas"] == (0.5, 0.9)


def test_a_pattern_without_a_placeholder_layer_is_reported_and_the_code_runs() -> None:
    code = code_of("StepLR(3)", 'SGD(lr=0.1, groups={"encoder.layer.0.*": {"lr": 0.2}, "train.*": {"lr": 0.3}})')
    assert "do not match every group pattern" in code
    assert lrs_of(code)[0] == [0.1, 0.2, 0.3]


def test_gradients_are_accumulated_and_clipped_as_in_the_run() -> None:
    code = code_of("StepLR(3)", accumulate=4, clip_grad_norm=0.5)
    assert "accumulate = 4" in code
    assert "nn.utils.clip_grad_norm_(model.parameters(), 0.5)\n        optimizer.step()" in code
    assert len(lrs_of(code)) == 12


def test_an_expression_is_a_lambda() -> None:
    code = code_of('LambdaLR("0.5 * (1 + cos(pi * epoch / 9))")')
    assert "    lr_lambda=lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / 9)),\n" in code
    assert code_of('LambdaLR("0.95 ** step", per="batch")').count("lambda step: 0.95 ** step") == 1
    assert "import math" not in code_of('LambdaLR("max(0.1, 1 - epoch / 30)")')


def test_a_user_class_is_imported_from_its_module() -> None:
    code = code_of('ChainedScheduler([a.b:My(3, c=[1, 2]), c:My("x"), d:StepLR(), my.py:Mine(), so-so.py:No()])')
    for line in (
        "from a.b import My\n",
        "from c import My as My2\n",
        "from d import StepLR as StepLR2\n",
        "No = runpy.run_path('so-so.py')['No']\n",
        "# put my.py beside this script\n",
    ):
        assert line in code
    assert "My(optimizer, 3, c=[1, 2])" in code
    compile(code, "own", "exec")


def test_nothing_superfluous_is_written() -> None:
    for name, entry in CATALOGUE.items():
        code = code_of(entry.example if name != "CyclicLR" else f"{entry.example[:-1]}, cycle_momentum=False)")
        for word in ("scale =", "reset_groups", "step +=", "per_batch", "if step ==", "if step in"):
            assert word not in code, (name, word)


@pytest.mark.parametrize(
    "text", ["a.b:My('\\n\\nimport os')", 'LambdaLR("(epoch\\n+ 1) * 0.1")', 'ReduceLROnPlateau(metric="ä")']
)
def test_user_text_stays_on_one_comment_line(text: str) -> None:
    code = code_of(text)
    compile(code, "emitted", "exec")
    assert not any(line.startswith("import os") for line in code.splitlines())


# -- changes during the run ------------------------------------------------------------------------------------------


def test_nudges_become_a_table() -> None:
    at = ("step 4: lr*0.5", "step 7: lr=0.2", "step 9: undo", "test 2: lr*2")
    code = code_of("StepLR(2, gamma=0.1)", at=at)
    assert "  # lr=0.2\n" in code
    assert "    9: 1.0,  # undo\n" in code
    lrs = [lrs[0] for lrs in lrs_of(code)]
    assert lrs == pytest.approx([0.1] * 4 + [0.05] * 2 + [0.01] + [0.2] * 2 + [0.01] * 3)


def test_a_switch_becomes_a_block_at_its_step() -> None:
    at = ("step 5: OneCycleLR(max_lr=0.3) from current", "step 8: lr*0.5")
    code = code_of("ExponentialLR(0.5)", "Adam(lr=0.01)", at=at)
    assert "        if step == 5:\n            # OneCycleLR(max_lr=0.3) from current\n" in code
    assert "OneCycleLR(optimizer, max_lr=0.3, total_steps=7)" in code
    assert len(lrs_of(code)) == 12


def test_groups_with_different_scales_have_one_factor_each() -> None:
    optimizer = 'SGD(lr=0.1, groups={"fc*": {"lr": 0.01}})'
    code = code_of("StepLR(9)", optimizer, at=("step 2: lr=0.4 group=1",))
    assert lrs_of(code)[:3] == [[0.1, 0.01], [0.1, 0.01], [0.1, 0.4]]


def test_an_extended_run_has_all_its_epochs() -> None:
    code = code_of("ExponentialLR(0.5)", epochs=2, at=("step 4: extend 3",))
    assert "epochs = 5\n" in code
    assert len(lrs_of(code)) == 15


def test_changes_after_the_last_step_are_left_out() -> None:
    code = code_of("StepLR(9)", epochs=2, at=("test 2: lr*0.5",))
    assert "scale" not in code
