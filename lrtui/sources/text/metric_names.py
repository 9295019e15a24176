"""Names in text logs: which one is the step, the epoch or the time, and which are values of a training run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

STEP_NAMES = (
    "trainer/global_step",
    "train/global_step",
    "global_step",
    "global_steps",
    "iteration",
    "iterations",
    "training_iteration",
    "num_updates",
    "train_num_updates",
    "num_steps",
    "current_steps",
    "iter",
    "iters",
    "it",
    "step",
    "steps",
    "training_step",
    "train_step",
    "train/step",
    "trainer/step",
    "time/total_timesteps",
    "total_timesteps",
    "timesteps_total",
    "num_timesteps",
    "timesteps",
    "update",
    "updates",
    "_step",
    "batch_idx",
    "batch",
)
"""Names of the step, the surest first: a line that has two of them counts by the first."""

TOTAL_STEPS_NAMES = ("total_steps", "max_steps")
TOTAL_EPOCHS_NAMES = ("total_epochs", "max_epochs", "num_epochs", "num_train_epochs")

EPOCH_NAMES = ("epoch", "epochs", "current_epoch", "epoch_num", "epoch_idx", "train/epoch", "trainer/epoch")

TIME_NAMES = ("timestamp", "_timestamp", "wall_time", "walltime", "time", "datetime", "date", "created_at", "ts")

PHASE_NAMES = ("mode", "phase", "split", "stage", "subset")
"""Names of what a line is about, as text: training or a test."""

TEST_PHASES = ("val", "valid", "validation", "test", "eval", "evaluation", "dev")

_METRIC_WORDS = """
loss losses lr lrs learning acc accuracy error err perplexity ppl reward rewards rew return grad norm f1 auc
map bleu rouge wer cer iou miou dice precision recall psnr ssim fid kl entropy mse mae rmse nll bpb bpc top1 top5 acc1
acc5 val valid validation train eval test momentum score scale
"""
_SURE_WORDS = "loss losses lr lrs ppl perplexity accuracy acc acc1 acc5"


@lru_cache(maxsize=8192)
def plain_name(name: str) -> str:
    """Return a name in lower case, with "_" for spaces and dashes, as the tables here have it."""
    return re.sub(r"[ -]+", "_", name.strip().lower())


def is_of_a_run(names: Iterable[str]) -> bool:
    """Return whether these are names of values that a training run logs: a step or an epoch, and a loss for example."""
    names = [name for name in names if isinstance(name, str)]
    metric_words = set(_METRIC_WORDS.split())
    words = [set(re.findall(r"[a-z]+\d*", name.lower())) | set(re.findall(r"[a-z]+", name.lower())) for name in names]
    has_step = any(plain_name(name) in STEP_NAMES or plain_name(name) in EPOCH_NAMES for name in names)
    if has_step:
        return any(found & metric_words or any(word.endswith("loss") for word in found) for found in words)
    return any(found & set(_SURE_WORDS.split()) for found in words)
