r"""A small network that is fitted to all data at once with L-BFGS, which computes the loss several times per step.

    lrtui train "ExponentialLR(gamma=0.9)" --task examples/lbfgs.py:task --epochs 10

Such an optimizer gets its closure from lrtui; the loss that is shown is the one before each step.
"""

import torch
from torch import nn

import lrtui.tasks

x = torch.linspace(-2, 2, 200)[:, None]
y = torch.sin(3 * x) + 0.3 * x
model = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))


def make_optimizer(model):
    return torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=10, line_search_fn="strong_wolfe")


task = lrtui.tasks.from_loaders(model, [(x, y)], [(x, y)], nn.MSELoss(), optimizer=make_optimizer)
