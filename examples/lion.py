r"""Lion of lion-pytorch: an optimizer that is not PyTorch's, with a warmup.

    lrtui train "WarmupCosine(warmup=0.1)" --task examples/lion.py:task --epochs 3

Without make_optimizer, --optimizer "lion_pytorch:Lion(lr=3e-4, weight_decay=0.1)" does the same.
"""

import torch
from lion_pytorch import Lion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrtui.tasks


def blobs(count):
    centers = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(count) % 5
    return TensorDataset(centers[labels] + torch.randn(count, 16), labels)


def make_optimizer(model):
    return Lion(model.parameters(), lr=3e-4, weight_decay=0.1)


model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 5))
train_loader = DataLoader(blobs(320), batch_size=32, shuffle=True)
test_loader = DataLoader(blobs(100), batch_size=50)

task = lrtui.tasks.from_loaders(model, train_loader, test_loader, nn.CrossEntropyLoss(), optimizer=make_optimizer)
