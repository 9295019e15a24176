"""A model in float64: tensors and weights in double precision, the loss of every step with all of its digits.

lrtui train "CosineAnnealingLR()" --task examples/float64.py:task --optimizer "Adam(lr=0.02)" --epochs 200
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrtui.tasks

x = torch.linspace(-1, 1, 256, dtype=torch.float64).unsqueeze(1)
y = torch.exp(-x) * torch.sin(4 * x)
model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1)).double()
train_loader = DataLoader(TensorDataset(x[::2], y[::2]), batch_size=32, shuffle=True)
test_loader = DataLoader(TensorDataset(x[1::2], y[1::2]), batch_size=128)

task = lrtui.tasks.from_loaders(model, train_loader, test_loader, nn.functional.mse_loss)
