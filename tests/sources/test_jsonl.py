from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from text_logs import SeriesSoFar, read, read_text, read_while_it_grows, reader_of, trouble_of

from lrtui.sources.text.jsonl import JsonLines
from lrtui.sources.text.printed_dict import printed_dict


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def is_found(path: Path, *, in_folder: bool = True) -> bool:
    """Return whether a file is a log for this format, in a folder with others or named by itself."""
    found = JsonLines().find(path.parent, [path.name]) if in_folder else JsonLines().find_file(path)
    return [log.path for log in found] == [path]


def test_numbers_are_series_and_the_step_is_their_place(path: Path) -> None:
    text = lines({"step": 10, "loss": 0.5, "lr": 1e-3}, {"step": 20, "loss": 0.25, "lr": 1e-4})
    assert read_text(JsonLines, path, text) == {"loss": [(10, 0.5), (20, 0.25)], "lr": [(10, 1e-3), (20, 1e-4)]}


def test_true_false_and_text_are_no_numbers(path: Path) -> None:
    text = lines({"step": 1, "loss": 1, "best": True, "name": "a", "note": "0.5", "nothing": None, "list": [1.0]})
    assert read_text(JsonLines, path, text) == {"loss": [(1, 1.0)]}


def test_nan_and_infinity_are_values(path: Path) -> None:
    text = '{"step": 1, "loss": NaN}\n{"step": 2, "loss": Infinity}\n{"step": 3, "loss": -Infinity}\n'
    assert read_text(JsonLines, path, text) == {"loss": [(1, "nan"), (2, math.inf), (3, -math.inf)]}


def test_nested_objects_have_names_with_slashes_and_lists_of_lrs_a_number(path: Path) -> None:
    text = lines({"global_step": 3, "train": {"loss": 1.0, "grad": {"norm": 2.0}}, "lrs": [0.1, 0.2], "lr": [0.1]})
    assert read_text(JsonLines, path, text) == {
        "train/loss": [(3, 1.0)],
        "train/grad/norm": [(3, 2.0)],
        "lrs/0": [(3, 0.1)],
        "lrs/1": [(3, 0.2)],
        "lr": [(3, 0.1)],
    }


def test_nested_settings_are_no_series(path: Path) -> None:
    # RLlib writes them in every line
    text = lines({"training_iteration": 1, "config": {"lr": 0.1}, "info": {"learner": {"loss": 2.0}}})
    assert read_text(JsonLines, path, text) == {"info/learner/loss": [(1, 2.0)]}


def test_keys_may_differ_from_line_to_line_and_a_line_without_a_step_has_that_of_the_line_before(path: Path) -> None:
    text = lines({"step": 5, "loss": 1.0}, {"val_loss": 2.0}, {"step": 6, "loss": 0.5}, {"val_loss": 1.5})
    assert read_text(JsonLines, path, text) == {
        "loss": [(5, 1.0), (6, 0.5)],
        "val_loss": [(5, 2.0), (6, 1.5)],
    }


def test_the_surest_name_of_a_step_is_used_wherever_it_appears_first(path: Path) -> None:
    # MMEngine: a test has the epoch as its step
    train = [{"lr": 0.1, "loss": 1.0, "epoch": 1, "iter": step, "step": step} for step in (50, 100)]
    text = lines({"mAP": 0.1, "step": 0}, *train, {"mAP": 0.3, "step": 1})
    assert read_text(JsonLines, path, text)["mAP"] == [(0, 0.1), (100, 0.3)]


def test_a_name_in_a_few_lines_only_is_not_the_step(path: Path) -> None:
    text = lines(*({"step": step, "loss": 1.0} for step in range(10)), {"global_step": 9, "train_runtime": 3.5})
    found = read_text(JsonLines, path, text)
    assert [step for step, _ in found["loss"]] == list(range(10))
    assert found["train_runtime"] == [(9, 3.5)]


def test_one_line_per_epoch_is_placed_at_its_epoch(path: Path) -> None:
    # DeiT and MAE write this
    text = lines(*({"epoch": epoch, "train_loss": 1.0 / (epoch + 1), "n_parameters": 5} for epoch in range(4)))
    found = read_text(JsonLines, path, text)
    assert found["train_loss"] == [(epoch, 1.0 / (epoch + 1)) for epoch in range(4)]
    assert found["epoch"] == [(epoch, float(epoch)) for epoch in range(4)]


def test_many_lines_per_epoch_without_a_step_are_counted(path: Path) -> None:
    text = lines(*({"epoch": index // 10, "loss": 1.0} for index in range(40)))
    assert [step for step, _ in read_text(JsonLines, path, text)["loss"]] == list(range(40))


def test_lines_without_a_step_are_counted_and_a_test_is_at_the_last_of_them(path: Path) -> None:
    text = lines(*([{"loss": 1.0}] * 3), {"val_loss": 2.0}, *([{"loss": 1.0}] * 2), {"val_loss": 1.0})
    assert read_text(JsonLines, path, text) == {
        "loss": [(step, 1.0) for step in range(5)],
        "val_loss": [(2, 2.0), (4, 1.0)],
    }


def test_batches_that_start_again_in_each_epoch_are_steps_of_the_run(path: Path) -> None:
    text = lines(*({"epoch": index // 5, "batch": index % 5 * 10, "loss": float(index)} for index in range(15)))
    steps = [step for step, _ in read_text(JsonLines, path, text)["loss"]]
    assert steps == [index * 10 for index in range(15)]


def test_a_run_that_resumes_at_an_epoch_supersedes_its_batches(path: Path) -> None:
    def epoch(number: int, loss: float) -> list[dict[str, float]]:
        return [{"epoch": number, "iter": batch, "loss": loss} for batch in (50, 100)]

    text = lines(*epoch(1, 1.0), *epoch(2, 2.0), *epoch(3, 3.0)[:1], *epoch(2, 20.0), *epoch(3, 30.0))
    assert read_text(JsonLines, path, text)["loss"] == [
        (50, 1.0), (100, 1.0), (150, 20.0), (200, 20.0), (250, 30.0), (300, 30.0)
    ]  # fmt: skip


def test_mmcv_tests_are_at_the_last_training_step(path: Path) -> None:
    def epoch(number: int) -> list[dict[str, object]]:
        train = [{"mode": "train", "epoch": number, "iter": step, "lr": 0.02, "loss": 1.0} for step in (50, 100)]
        # the number of test batches
        return [*train, {"mode": "val", "epoch": number, "iter": 625, "lr": 0.02, "bbox_mAP": 0.1, "loss": 2.0}]

    found = read_text(JsonLines, path, lines({"env_info": "x", "seed": 0}, *epoch(1), *epoch(2)))
    assert found["loss"] == [(50, 1.0), (100, 1.0), (150, 1.0), (200, 1.0)]
    assert found["val/bbox_mAP"] == [(100, 0.1), (200, 0.1)]
    assert found["val/loss"] == [(100, 2.0), (200, 2.0)]


def test_a_step_that_goes_back_supersedes_what_follows_it(path: Path) -> None:
    first = [{"step": step, "loss": 1.0} for step in range(10)] + [{"step": 9, "val_loss": 1.0}]
    again = [{"step": step, "loss": 2.0} for step in range(5, 8)]
    found = read_text(JsonLines, path, lines(*first, *again))
    assert found["loss"] == [(step, 1.0) for step in range(5)] + [(step, 2.0) for step in range(5, 8)]
    assert "val_loss" not in found


def test_a_test_that_is_logged_late_is_no_restart(path: Path) -> None:
    text = lines(
        {"step": 1, "loss": 1.0}, {"step": 2, "loss": 1.0}, {"step": 1, "val_loss": 2.0}, {"step": 3, "loss": 1.0}
    )
    found = read_text(JsonLines, path, text)
    assert found == {"loss": [(1, 1.0), (2, 1.0), (3, 1.0)], "val_loss": [(1, 2.0)]}


def test_times_are_read_as_numbers_milliseconds_and_dates(path: Path) -> None:
    path.write_text(
        lines(
            {"step": 1, "loss": 1.0, "timestamp": 1.7e9},
            {"step": 2, "loss": 1.0, "timestamp": 1.7e12 + 1000},
            {"step": 3, "loss": 1.0, "timestamp": "2023-11-14T22:13:22+00:00"},
            {"step": 4, "loss": 1.0},
        )
    )
    so_far = SeriesSoFar()
    so_far.read_all(reader_of(JsonLines, path))
    assert so_far.times["loss"][:3] == [1.7e9, 1.7e9 + 1, 1.7e9 + 2]
    assert math.isnan(so_far.times["loss"][3])
    assert list(so_far.series) == ["loss"]


def test_a_duration_is_a_series(path: Path) -> None:
    assert read_text(JsonLines, path, lines({"iteration": 1, "total_loss": 1.0, "time": 0.25}))["time"] == [(1, 0.25)]


def test_the_length_of_the_run_is_a_fact(path: Path) -> None:
    # LLaMA-Factory writes this
    path.write_text(lines({"current_steps": 5, "total_steps": 100, "loss": 1.0, "lr": 0.1, "epoch": 0.5}))
    part = reader_of(JsonLines, path).read(1.0)
    assert part.facts is not None
    assert part.facts.total_steps == 100
    assert [item.name for item in part.items] == ["loss", "lr", "epoch"]  # type: ignore[union-attr]


def test_objects_are_found_among_other_lines_and_after_text(path: Path) -> None:
    # fairseq writes numbers as text
    text = (
        "2024-01-01 | INFO | fairseq | training on 1 device\n"
        '2024-01-01 | INFO | train_inner | {"epoch": 1, "loss": "8.5", "num_updates": "100", "lr": "1e-05"}\n'
        '2024-01-01 | INFO | valid | {"epoch": 1, "valid_loss": "8.25", "valid_num_updates": "120"}\n'
        "done {x}\n"
    )
    found = read_text(JsonLines, path, text)
    assert found["loss"] == [(100, 8.5)]
    assert found["lr"] == [(100, 1e-5)]
    assert found["valid_loss"] == [(100, 8.25)]
    assert trouble_of(JsonLines, path) == ""


def test_dicts_that_python_printed_are_lines_as_well(path: Path) -> None:
    # as Trainer prints them, beside a progress bar, in old and new versions
    text = (
        "Some weights were not initialized: {x}\n"
        "{'loss': 0.7, 'grad_norm': nan, 'learning_rate': 5e-05, 'epoch': 0.5}\n"
        "\r 50%|##  | 1/2 [00:01<00:01]{'loss': '0.6', 'grad_norm': '1.5', 'learning_rate': '2e-05', 'epoch': '1'}\n"
        "{'eval_loss': 0.5, 'note': 'x', 'done': True, 'eval_f1': -inf, 'epoch': 1.0}\n"
    )
    found = read_text(JsonLines, path, text)
    assert found["loss"] == [(0, 0.7), (1, 0.6)]
    assert found["grad_norm"] == [(0, "nan"), (1, 1.5)]
    assert found["eval_loss"] == [(1, 0.5)]
    assert found["eval_f1"] == [(1, -math.inf)]
    assert trouble_of(JsonLines, path) == ""
    assert is_found(path.with_suffix(".jsonl"))


@pytest.mark.parametrize(
    "text",
    ["{}", "{'a': }", "{'a': 1", "{'a': f(1)}", "{'a': [1]}", "{'a': 1}}", "{'a': 1, }", "{'a' 1}", "{'a': 'b'c}"],
)
def test_other_text_in_braces_is_no_dict(text: str) -> None:
    assert printed_dict(text) is None


def test_a_damaged_line_is_named_and_the_others_are_read(path: Path) -> None:
    text = '{"step": 1, "loss": 1.0}\n{"step": 2, "lo\n{"step": 3, "loss": 3.0}\n{"step": 4,}\n'
    assert read_text(JsonLines, path, text) == {"loss": [(1, 1.0), (3, 3.0)]}
    trouble = trouble_of(JsonLines, path)
    assert trouble.startswith(f"{path}, line 2 is left out: it is not valid JSON (")
    assert trouble.endswith("(1 more line is left out).")


def test_a_step_that_is_not_a_whole_number_now_and_then_is_left_out(path: Path) -> None:
    text = lines(
        *({"step": step, "loss": 1.0} for step in range(20)), {"step": 0.5, "loss": 3.0}, {"step": 20, "loss": 1.0}
    )
    assert read_text(JsonLines, path, text)["loss"][-2:] == [(19, 3.0), (20, 1.0)]


def test_hostile_lines_are_no_exception(path: Path) -> None:
    text = (
        lines({"step": 1, "lr": 1.0}) * 20
        + '{"step": 1, "loss": ' + "1" * 400 + "}\n"
        '{"step": ' + "9" * 400 + ', "loss": 2}\n'
        '{"step": ' + "9" * 5000 + ', "loss": 2}\n'
        + '{"a":' * 5000 + "1" + "}" * 5000 + "\n"
        + "[" * 100_000 + "\n"
        '{"\\ud800\\u001b[31m": 1.0, "step": 2}\n'
    )  # fmt: skip
    found = read_text(JsonLines, path, text)
    assert found["loss"][0] == (1, math.inf)
    assert "\\ud800\\x1b[31m" in found


def test_names_without_end_are_cut_and_named(path: Path) -> None:
    found = read_text(JsonLines, path, lines(*({"step": 1, f"loss{index}" + "x" * 500: 1.0} for index in range(2_500))))
    assert len(found) == 2_000
    assert max(map(len, found)) == 200
    assert f"{path}: it has more than 2,000 series" in trouble_of(JsonLines, path)


def test_steps_in_no_order_are_counted(path: Path) -> None:
    text = lines(*({"step": index * 7919 % 5003, "loss": float(index)} for index in range(5_000)))
    assert read_text(JsonLines, path, text)["loss"] == [(index, float(index)) for index in range(5_000)]


NUMBERED = [{"epoch": index // 2, "it": index % 2, "loss": float(index)} for index in range(8)]
LATE = [{"val_loss": 1.0}, {"epoch": 1, "loss": 1.0}, {"epoch": 1, "step": 4, "loss": 1.0}, {"step": 5, "loss": 2.0}]
MIXED = [{"step": 1, "loss": 1.0}, {"step": 2, "loss": math.nan, "lr": 0.5}, {"val": {"loss": 2}}, {"step": 1, "lr": 3}]

GROWING = {
    "steps": lines(*MIXED),
    "late step": lines(*LATE),
    "epochs": lines(*({"epoch": index // 2, "loss": float(index)} for index in range(8))),
    "batches": lines(*NUMBERED).replace("\n", "\r\n"),
    "printed": "x {'loss': 1.0, 'epoch': 0.5}\n{'loss': 'nan', 'epoch': 1}\n{'eval_loss': 3}",
    "no end": "text\n" + lines({"loss": 1.0}, {"loss": 2.0}).rstrip(),
    "damage": '{"step": 1, "loss": 1}\n{"st\n\0\0\0\0{"step": 2, "loss": 1}\n12:00 {"step": 3, "loss": 1}\n',
}  # fmt: skip


@pytest.mark.parametrize("kind", GROWING)
def test_a_file_that_grows_by_bytes_gives_the_same_series(path: Path, kind: str) -> None:
    data = GROWING[kind].encode()
    at_once = read_text(JsonLines, path, data)
    assert at_once
    assert read_while_it_grows(JsonLines, path, data, range(len(data))) == at_once
    for size in range(len(data)):
        assert read_while_it_grows(JsonLines, path, data, [size]) == at_once, size


@pytest.mark.parametrize(
    ("name", "text", "in_folder", "named"),
    [
        ("metrics.jsonl", lines({"step": 1, "loss": 1.0}), True, True),
        ("log.txt", "start\n" + lines({"train_lr": 0.1, "train_loss": 1.0, "epoch": 0}), True, True),
        ("metrics.json", lines({"iteration": 19, "total_loss": 1.0}, {"iteration": 39, "total_loss": 1.0}), True, True),
        ("counts.jsonl", lines({"a": 1, "b": 2}), False, True),
        # not logs
        ("package.json", json.dumps({"name": "x", "version": "1.0", "step": 1, "loss": 1.0}, indent=2), False, False),
        ("wandb-summary.json", json.dumps({"_step": 1, "loss": 1.0}), False, False),
        ("tokenizer.json", json.dumps({"version": "1.0", "model": {"vocab": {"loss": 1, "step": 2}}}), False, False),
        ("vocab.json", json.dumps({"loss": 1, "step": 2}), False, False),
        ("data.jsonl", lines({"text": "x", "messages": [{"role": "user"}], "loss": 1.0, "step": 1}), False, False),
        ("train.jsonl", lines({"question": "x", "answer": "y", "id": 1}), False, True),
        ("train.jsonl", lines({"question": "x", "answer": "y"}), False, False),
        ("output.log", "Epoch 1 loss 0.5\n", False, False),
        ("empty.jsonl", "", False, False),
        ("picture.json", "\x89PNG\0\0", False, False),
    ],
)
def test_a_file_is_found_by_its_first_lines(path: Path, name: str, text: str, in_folder: bool, named: bool) -> None:
    path = path.with_name(name)
    path.write_text(text)
    assert is_found(path) == in_folder
    assert is_found(path, in_folder=False) == named


def test_a_file_that_is_not_there_is_not_found_and_its_reader_says_so(path: Path) -> None:
    assert not is_found(path)
    assert read(JsonLines, path) == {}
    assert trouble_of(JsonLines, path) == f"{path} can't be read: No such file or directory."


def test_a_log_is_found_while_its_last_line_is_written_and_after_a_killed_writer(tmp_path: Path) -> None:
    whole = [json.dumps({"step": step, "loss": 1.0}) for step in range(5)]
    for text in (
        "\n".join([whole[0], whole[1][:14]]),
        "\n".join([*whole, whole[0][:14]]),
        "\n".join([*whole, whole[0][:14] + whole[1], *whole]) + "\n",
    ):
        (tmp_path / "m.jsonl").write_text(text)
        assert [log.path.name for log in JsonLines().find(tmp_path, ["m.jsonl"])] == ["m.jsonl"]
    (tmp_path / "m.jsonl").write_text('{\n"log": [\n' + ",\n".join(whole) + "]}\n")
    assert not JsonLines().find(tmp_path, ["m.jsonl"])
