r"""AdamWScheduleFree of schedulefree, which needs no schedule: the lr is constant after the optimizer's own warmup.

    lrtui train "ConstantLR(factor=1)" --task examples/schedule_free.py:task --epochs 3

The optimizer's train() and eval() are called around each test; checkpoints have the weights that it trains with.
"""

import schedulefree
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrtui.tasks


def moons(count):
    angle, labels = torch.pi * torch.rand(count), torch.arange(count) % 2
    points = torch.stack([angle.cos() + labels, (1 - 2 * labels) * angle.sin() + 0.5 * labels], dim=1)
    return TensorDataset(points + 0.1 * torch.randn(count, 2), labels)


def make_optimizer(model):
    return schedulefree.AdamWScheduleFree(model.parameters(), lr=0.01, warmup_steps=5)


def accuracy(outputs, targets):
    return {"accuracy": outputs.argmax(dim=1) == targets}


model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
train_loader = DataLoader(moons(320), batch_size=32, shuffle=True)
test_loader = DataLoader(moons(100), batch_size=50)

task = lrtui.tasks.from_loaders(
    model, train_loader, test_loader, nn.CrossEntropyLoss(), metrics=accuracy, optimizer=make_optimizer
)
