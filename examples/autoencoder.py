"""An autoencoder: batches have no targets, and the outputs are compared with the inputs.

lrtui train "OneCycleLR(max_lr=0.01)" --task examples/autoencoder.py:task --epochs 3
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrtui.tasks


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4))
        self.decoder = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 64), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


def waves(count):
    """Images of 8 x 8 pixels, flattened, that four numbers describe."""
    fx, fy, phase, size = torch.rand(4, count, 1, 1)
    rows, columns = torch.arange(8).view(1, 8, 1), torch.arange(8).view(1, 1, 8)
    return (0.5 + 0.5 * size * torch.sin(fx * rows + fy * columns + 6 * phase)).flatten(1)


train_loader = DataLoader(TensorDataset(waves(512)), batch_size=64, shuffle=True)
test_loader = DataLoader(TensorDataset(waves(128)), batch_size=128)

task = lrtui.tasks.from_loaders(AutoEncoder, train_loader, test_loader, nn.MSELoss())
