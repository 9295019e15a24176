"""Lines as training scripts write them, and lines that look like them."""

from __future__ import annotations

import math
import time
from dataclasses import fields
from typing import Any

import pytest

from lrtui.supervisor.line_values import LineValues, read_line


def values(line: str) -> dict[str, Any] | None:
    """Return the values of a line that it has, by name."""
    found = read_line(line)
    if found is None:
        return None
    pairs = ((item.name, getattr(found, item.name)) for item in fields(LineValues))
    return {name: value for name, value in pairs if value not in (None, {})}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # PyTorch's MNIST example, VAE example, ImageNet example, DCGAN example
        ("Train Epoch: 1 [6400/60000 (11%)]\tLoss: 0.298114", {"epoch": 1, "loss": 0.298114}),
        ("Test set: Average loss: 0.0487, Accuracy: 9123/10000 (91%)", {"test_loss": 0.0487, "accuracy": 0.9123}),
        ("====> Epoch: 1 Average loss: 163.3123", {"epoch": 1, "loss": 163.3123}),
        ("====> Test set loss: 105.8123", {"test_loss": 105.8123}),
        (
            "Epoch: [3][ 45/938]\tTime  0.123 ( 0.130)\tLoss 2.3123e+00 (2.4123e+00)\tAcc@1  12.50 ( 11.20)",
            {"epoch": 3, "position": 45, "loss": 2.3123, "metrics": {"accuracy": 0.125}},
        ),
        (" * Acc@1 71.234 Acc@5 90.123", {"accuracy": 0.71234}),
        (
            "[0/25][1/782] Loss_D: 1.5123 Loss_G: 5.4123 D(x): 0.3123 D(G(z)): 0.5123 / 0.0041",
            {"position": 1, "metrics": {"Loss_D": 1.5123, "Loss_G": 5.4123}},
        ),
        # PyTorch's tutorials
        ("loss: 2.300123  [   64/60000]", {"loss": 2.300123}),
        (" Accuracy: 83.1%, Avg loss: 0.461234 ", {"accuracy": 0.831, "test_loss": 0.461234}),
        ("[1,  2000] loss: 2.173", {"loss": 2.173}),
        ("Epoch [1/5], Step [100/600], Loss: 0.2312", {"epoch": 1, "position": 100, "loss": 0.2312}),
        ("Adjusting learning rate of group 0 to 1.0000e-03.", {"lr": 0.001}),
        # transformers' Trainer, of version 4 and 5
        (
            "{'loss': 0.5, 'grad_norm': 1.25, 'learning_rate': 1e-05, 'epoch': 0.3}",
            {"loss": 0.5, "lr": 1e-05, "epoch": 0.3, "metrics": {"grad_norm": 1.25}},
        ),
        (
            "{'loss': '0.5', 'grad_norm': '1.25', 'learning_rate': '1e-05', 'epoch': '0.3'}",
            {"loss": 0.5, "lr": 1e-05, "epoch": 0.3, "metrics": {"grad_norm": 1.25}},
        ),
        (
            "{'eval_loss': 0.4, 'eval_accuracy': 0.91, 'eval_runtime': 1.2, 'epoch': 1.0}",
            {"test_loss": 0.4, "accuracy": 0.91, "epoch": 1.0},
        ),
        # tqdm, Lightning, Keras
        (
            "  5%|▌         | 45/938 [00:03<00:57, 15.6it/s, loss=0.5, lr=0.001]",
            {"position": 45, "loss": 0.5, "lr": 0.001},
        ),
        (
            "Epoch 0:   5%|▌         | 45/938 [00:03<00:57, 15.61it/s, v_num=0, train_loss=0.512, val_loss=0.4]",
            {"epoch": 0, "position": 45, "loss": 0.512, "test_loss": 0.4},
        ),
        (
            "Epoch 0/1  ━━━━━━━━ 16/16 0:00:00 • 0:00:00 35.05it/s train_loss: 0.123 val_loss: 0.5",
            {"epoch": 0, "position": 16, "loss": 0.123, "test_loss": 0.5},
        ),
        ("Epoch 3/10", {"epoch": 3}),
        (
            " 45/938 [=>............................] - ETA: 57s - loss: 0.5123 - accuracy: 0.8123",
            {"position": 45, "loss": 0.5123, "metrics": {"accuracy": 0.8123}},
        ),
        (
            "938/938 ━━━━━━━━━━━━━ 3s 2ms/step - accuracy: 0.89 - loss: 0.31 - val_accuracy: 0.90 - val_loss: 0.28",
            {
                "position": 938,
                "loss": 0.31,
                "metrics": {"accuracy": 0.89},
                "test_loss": 0.28,
                "accuracy": 0.90,
            },
        ),
        # nanoGPT, timm
        ("iter 10: loss 3.2012, time 12.40ms, mfu -100.00%", {"step": 10, "loss": 3.2012}),
        (
            "step 250: train loss 2.1012, val loss 2.3012",
            {"step": 250, "test_loss": 2.3012, "test_metrics": {"train_loss": 2.1012}},
        ),
        (
            "Train: 0 [  50/938 (  5%)]  Loss: 2.312 (2.512)  Time: 0.123s,  512.10/s  LR: 1.000e-03  Data: 0.010",
            {"epoch": 0, "position": 50, "loss": 2.312, "lr": 0.001},
        ),
        # scripts of many people
        (
            "Epoch 3: train loss 0.5123, val loss 0.4123, lr 0.001, val acc 91.2%",
            {"epoch": 3, "loss": 0.5123, "test_loss": 0.4123, "lr": 0.001, "accuracy": 0.912},
        ),
        (
            "Epoch 3 | Train Loss: 0.512 | Val Loss: 0.412 | Val Acc: 0.912",
            {"epoch": 3, "loss": 0.512, "test_loss": 0.412, "accuracy": 0.912},
        ),
        (
            "2026-11-29 14:23:45,123 INFO trainer: epoch 3 step 1200 loss 0.4312 lr 3.0e-4",
            {"epoch": 3, "step": 1200, "loss": 0.4312, "lr": 3e-4},
        ),
        ("epoch 1 loss tensor(0.5123, grad_fn=<NllLossBackward0>)", {"epoch": 1, "loss": 0.5123}),
        (
            "step=100 loss=.5 lr=1e-3 grad_norm=0.5",
            {"step": 100, "loss": 0.5, "lr": 0.001, "metrics": {"grad_norm": 0.5}},
        ),
        ("lr: 0.01", {"lr": 0.01}),
        ("accuracy: 0.91", {"accuracy": 0.91}),
        ("train accuracy: 0.91, loss: 0.3", {"loss": 0.3, "metrics": {"accuracy": 0.91}}),
        ("loss: -1.5", {"loss": -1.5}),
    ],
)
def test_values_are_recognised(line: str, expected: dict[str, Any]) -> None:
    assert values(line) == expected


def test_a_loss_that_is_not_a_number_is_recognised() -> None:
    found = read_line("Epoch 2 loss: nan")
    assert found is not None
    assert found.loss is not None
    assert math.isnan(found.loss)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no value here",
        "Namespace(batch_size=64, epochs=14, lr=1.0, gamma=0.7, seed=1, log_interval=10, momentum=0.5)",
        "{'train_runtime': 12.3, 'train_samples_per_second': 100.0, 'train_loss': 0.45, 'epoch': 3.0}",
        "Test: [   0/78]  Time: 0.512 (0.512)  Loss:   0.5123 (0.5123)  Acc@1:  85.1562 ( 85.1562)",
        "Validation: 100%|██████████| 157/157 [00:01<00:00, 120.1it/s, loss=0.5]",
        "Validation DataLoader 0:  50%|█████     | 78/157 [00:00<00:00, 300.12it/s]",
        "Downloading: 100%|██████████| 26421880/26421880 [00:03<00:00, 8124112.10it/s]",
        "64 bytes from 1.1.1.1: icmp_seq=1 ttl=57 time=3.2 ms",
        "4 packets transmitted, 4 received, 0% packet loss, time 3004ms",
        "packet loss: 0.5",
        "Using loss: CrossEntropyLoss, lr schedule: StepLR",
        "loss_scale: 65536.0",
        "new best loss: 0.123 saved",
        "best_loss=0.123",
        "saving model to loss_0.5.pt",
        "weight loss 5 kg",
        "the loss 3 times as large",
        "--lr 0.1 --loss 0.5",
        "python train.py --lr=0.1",
        "max_lr=0.1",
        "lossless 1.0",
        "loss version 1.2.3",
        "loss: 3/10",
        "accuracy: 1234",
        'File "train.py", line 12, in step',
        "at step 3 of the tutorial",
        "epochs: 10",
    ],
)
def test_other_lines_have_no_values(line: str) -> None:
    assert values(line) is None


def test_hostile_lines_are_read_in_a_short_time() -> None:
    start = time.thread_time()
    for line in ("a " * 5000, "loss" + " " * 5000, "loss: " * 1000, "1" * 5000, "[" * 5000, "x" * 5000, "\t" * 5000):
        read_line(line)
    assert time.thread_time() - start < 3
