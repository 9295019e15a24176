"""MNIST with Adadelta: PyTorch's own example, on made-up digits so that it runs anywhere.

lrtui train "StepLR(step_size=1, gamma=0.7)" --task examples/mnist_adadelta.py:task --epochs 3
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset

import lrtui.tasks


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1)
        self.conv2 = nn.Conv2d(8, 16, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(2304, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        return F.log_softmax(self.fc2(x), dim=1)


def digits(count):
    """Ten noisy patterns in place of datasets.MNIST("data", download=True, transform=transform)."""
    patterns = torch.randn(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(count) % 10
    return TensorDataset(patterns[targets] + torch.randn(count, 1, 28, 28), targets)


def make_optimizer(model):
    return optim.Adadelta(model.parameters(), lr=1.0)


def correct(output, target):
    return {"accuracy": output.argmax(dim=1).eq(target)}


train_loader = DataLoader(digits(640), batch_size=64, shuffle=True)
test_loader = DataLoader(digits(200), batch_size=100)

task = lrtui.tasks.from_loaders(Net, train_loader, test_loader, F.nll_loss, metrics=correct, optimizer=make_optimizer)
