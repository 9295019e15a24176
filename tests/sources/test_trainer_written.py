"""What the real Trainer writes is read back equal, series by series."""

from __future__ import annotations

import json

import pytest
import torch
from read_logs import ReadLog, as_text
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from lrtui.__main__ import main
from lrtui.sources.meaning import recognize
from lrtui.sources.series_shape import SeriesShape
from lrtui.sources.trainer.log_format import TrainerState

pytestmark = [
    pytest.mark.xdist_group("libraries"),
    # the library's own
    pytest.mark.filterwarnings("default:::torch"),
    pytest.mark.filterwarnings("default:::transformers"),
]


def make_trainer(folder, **given):
    """Return a Trainer of a tiny model with 6 steps per epoch."""
    tokens = torch.randint(16, (24, 6), generator=torch.Generator().manual_seed(0))
    samples = [{"input_ids": each, "labels": each} for each in tokens]
    torch.manual_seed(0)
    config = GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=16, n_positions=8, bos_token_id=0, eos_token_id=0)
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        save_strategy="steps",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        **given,
    )
    return Trainer(GPT2LMHeadModel(config), arguments, train_dataset=samples, eval_dataset=samples[:8])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the output folder and the history of a short training, of which the last two checkpoints are left."""
    folder = tmp_path_factory.mktemp("trainer") / "output"
    trainer = make_trainer(
        folder, num_train_epochs=3, logging_steps=2, eval_strategy="epoch", save_steps=5, save_total_limit=2
    )
    trainer.train()
    return folder, trainer


def read(folder):
    names = ["trainer_state.json", "config.json"]
    (found,) = {log for each in folder.glob("checkpoint-*") for log in TrainerState().find(each, names)}
    log = ReadLog(TrainerState().open(found))
    log.read()
    assert log.reader.trouble == ""
    return log


def expected(history):
    series = {}
    for entry in history:
        for name, value in entry.items():
            if name != "step":
                series.setdefault(name, []).append((entry["step"], float(value)))
    return series


def test_each_series_is_read_back_equal(trained):
    folder, _ = trained
    assert len(list(folder.glob("checkpoint-*"))) == 2
    log = read(folder)
    written = json.loads((folder / "checkpoint-18" / "trainer_state.json").read_text())["log_history"]
    assert {"loss", "learning_rate", "grad_norm", "eval_loss"} <= set(log.series)
    assert as_text(log.series) == as_text(expected(written))
    assert (log.facts.total_steps, log.facts.epochs, log.facts.batches_per_epoch) == (18, 3, 6)
    assert log.facts.is_finished


def test_the_meaning_of_its_series_is_recognized(trained):
    log = read(trained[0])
    shapes = {
        name: SeriesShape().extended(
            *map(torch.Tensor.numpy, (torch.tensor([s for s, _ in p]), torch.tensor([v for _, v in p])))
        )
        for name, p in log.series.items()
    }
    meaning = recognize(shapes)
    assert (meaning.loss, meaning.test_loss, meaning.lrs, meaning.epoch) == (
        "loss",
        "eval_loss",
        ("learning_rate",),
        "epoch",
    )


def test_the_file_that_save_state_writes_is_added(trained):
    folder, trainer = trained
    log = read(folder)
    trainer.save_state()
    log.read()
    assert as_text(log.series) == as_text(expected(trainer.state.log_history))
    assert log.series["train_loss"][0][0] == 18
    assert log.from_starts == 0


def test_its_lr_is_that_of_the_schedule_it_used(trained, capsys):
    folder, _ = trained
    assert main(["preview", "--over", str(folder), "--json"]) == 0
    recorded = json.loads(capsys.readouterr().out)
    assert (recorded["schedule"], recorded["base_lr"]) == (
        "PolynomialLR(total_iters=18, power=1, per='batch')",
        0.01,
    )
    assert main(["preview", "WarmupLinear(warmup=0)", "--over", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "agrees with all 9 recorded points\n" in out
    assert "of 18 steps, 6 per epoch" in err


def test_a_cosine_with_a_short_warmup_is_named_of_the_log_and_of_the_imported_run(tmp_path, capsys):
    folder, store = tmp_path / "output", ["--store", str(tmp_path / "store")]
    given = {"lr_scheduler_type": "cosine", "warmup_steps": 6, "logging_steps": 5}
    make_trainer(folder, num_train_epochs=10, save_steps=60, **given).train()
    assert main(["import", str(folder), *store]) == 0
    for run in (str(folder), "output"):
        capsys.readouterr()
        assert main(["preview", "--over", run, "--json", *store]) == 0
        out, err = capsys.readouterr()
        recorded = json.loads(out)
        assert (recorded["schedule"], recorded["steps"]) == (
            "WarmupCosine(warmup=6, total_steps=60)",
            list(range(4, 60, 5)),
        )
        assert "lr recorded at 12 of 60 steps, 6 per epoch" in err
