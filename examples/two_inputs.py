"""A recommender with two inputs, user and item: batches of three tensors, and forward(users, items).

lrtui train "CosineAnnealingLR()" --task examples/two_inputs.py:task --optimizer "Adam(lr=0.05)" --epochs 10
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import lrtui.tasks

USERS, ITEMS = 50, 40


class MatrixFactorization(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.users = nn.Embedding(USERS, dim)
        self.items = nn.Embedding(ITEMS, dim)
        self.user_bias = nn.Embedding(USERS, 1)
        self.item_bias = nn.Embedding(ITEMS, 1)
        for embedding in self.children():
            nn.init.normal_(embedding.weight, std=0.1)

    def forward(self, users, items):
        dot = (self.users(users) * self.items(items)).sum(dim=1)
        return dot + self.user_bias(users).squeeze(1) + self.item_bias(items).squeeze(1)


users, items = torch.randint(USERS, (1000,)), torch.randint(ITEMS, (1000,))
ratings = torch.sin(users / 5) + torch.cos(items / 5)
train_set, test_set = random_split(TensorDataset(users, items, ratings), [800, 200])
train_loader = DataLoader(train_set, batch_size=100, shuffle=True)
test_loader = DataLoader(test_set, batch_size=200)

task = lrtui.tasks.from_loaders(MatrixFactorization, train_loader, test_loader, nn.MSELoss())
