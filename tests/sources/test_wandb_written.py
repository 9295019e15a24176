"""What wandb writes offline is read back equal, series by series, and nothing is sent."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from read_logs import ReadLog, Series, as_text

from lrtui.sources.wandb.log_format import WandbFile
from lrtui.sources.wandb.records import WandbRecords
from lrtui.sources.wandb.run_folders import run_files

pytestmark = pytest.mark.xdist_group("libraries")

NAN, INF = float("nan"), float("inf")

SCRIPT = """
import math, sys, wandb
settings = wandb.Settings(console="off", x_disable_stats=True)

def start(name, **further):
    return wandb.init(project="tests", mode="offline", dir=sys.argv[1], name=name, settings=settings, **further)

run = start("plain", config={"lr": 0.1, "model": {"depth": 3}, "layers": [8, 4]})
for step in range(400):
    row = {"train/loss": 1 / (step + 1), "lr": 0.1 * 0.99**step, "text": "epoch", "done": True}
    if step % 50 == 49:
        row |= {"val": {"loss": 2.0, "acc": step / 400}, "odd": [math.nan, math.inf, -math.inf][step % 3]}
        row |= {"weights": wandb.Histogram([1, 2, 3])}
    run.log(row)
run.log({"late": 1.0}, step=1000)
run.finish()

run = start("defined", id="defined")
run.define_metric("trainer/global_step")
run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
for call in range(10):
    run.log({"loss": float(call), "trainer/global_step": call * 50})
    run.log({"val_loss": call / 2})
run.finish(exit_code=1)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ReadLog]:
    """Return the runs of a script by name, after checking that it has opened no connection."""
    folder = tmp_path_factory.mktemp("wandb")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        places = {name: str(folder) for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")}
        # all that it sends would arrive here
        proxies = {name: address for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")}
        environment = {**os.environ, **places, **proxies, "WANDB_BASE_URL": address, "NO_PROXY": "", "no_proxy": ""}
        environment |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
        command = [sys.executable, "-c", SCRIPT, str(folder)]
        subprocess.run(command, env=environment, cwd=folder, check=True, timeout=600, capture_output=True)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    found = set()
    for each in (folder / "wandb").iterdir():
        if each.is_dir():
            found |= set(WandbFile().find(each, sorted(os.listdir(each))))
    logs = [ReadLog(WandbFile().open(log)) for log in found]
    for log in logs:
        log.read()
        assert log.reader.trouble == ""
    return {log.facts.name or "": log for log in logs}


def test_the_link_to_the_latest_run_is_not_a_run_of_its_own(written):
    assert set(written) == {"plain", "defined"}


def test_each_series_is_read_back_equal(written):
    tests = range(49, 400, 50)
    expected: Series = {
        "train/loss": [(step, 1 / (step + 1)) for step in range(400)],
        "lr": [(step, 0.1 * 0.99**step) for step in range(400)],
        "val.loss": [(step, 2.0) for step in tests],
        "val.acc": [(step, step / 400) for step in tests],
        "odd": [(step, [NAN, INF, -INF][step % 3]) for step in tests],
        "late": [(1000, 1.0)],
    }
    assert as_text(written["plain"].series) == as_text(expected)


def test_values_are_at_the_steps_that_define_metric_names(written):
    expected: Series = {
        "loss": [(call * 50, float(call)) for call in range(10)],
        "val_loss": [(call * 50, call / 2) for call in range(10)],
    }
    assert written["defined"].series == expected


def test_settings_and_the_end_of_a_run_are_read(written):
    plain, defined = written["plain"].facts, written["defined"].facts
    assert plain.settings == {"lr": 0.1, "model.depth": 3, "layers": "[8, 4]"}
    assert (plain.is_finished, defined.is_finished) == (True, True)


def test_records_are_split_as_the_messages_of_wandb_are(written):
    from wandb.proto import wandb_internal_pb2

    (path,) = run_files(written["plain"].reader._path)
    kinds = []
    for data in WandbRecords(path).read().records:
        record = wandb_internal_pb2.Record()
        assert record.ParseFromString(data) == len(data)
        kinds.append(record.WhichOneof("record_type"))
    assert kinds.count("history") == 401
    assert (kinds[0], kinds[-1]) == ("header", "exit")
