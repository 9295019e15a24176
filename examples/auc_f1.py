r"""A classifier of rare cases that is judged by AUC and F1 of torchmetrics, over the whole test set.

    lrtui train "CosineAnnealingLR()" --task examples/auc_f1.py:task --optimizer "AdamW(lr=0.01)" --epochs 3

The data is made up; one sample in ten is positive. `best` makes the AUC decide which epoch and which run is the best.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import BinaryAUROC, BinaryF1Score

import lrtui.tasks


def table(count):
    features = torch.randn(count, 8)
    score = features[:, 0] + features[:, 1] * features[:, 2] + 0.3 * torch.randn(count)
    return TensorDataset(features, (score > 1.8).float())


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1), nn.Sigmoid())

    def forward(self, x):
        return self.layers(x).squeeze(1)


train_loader = DataLoader(table(640), batch_size=64, shuffle=True)
test_loader = DataLoader(table(300), batch_size=64)
metrics = {"auc": BinaryAUROC(), "f1": BinaryF1Score()}

task = lrtui.tasks.from_loaders(
    Classifier, train_loader, test_loader, nn.BCELoss(), metrics=metrics, best="auc", mode="max"
)
