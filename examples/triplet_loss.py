r"""An embedding that is trained with triplets: batches of three images each, and a step of its own.

    lrtui train "CosineAnnealingLR()" --task examples/triplet_loss.py:task --optimizer "Adam(lr=0.001)" --epochs 3

The share of triplets whose positive is nearer than their negative is a metric of each step, and of the test.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import lrtui.tasks


class Triplets(Dataset):
    """An anchor, another sample of its class, and one of another class; classes are noisy prototypes."""

    def __init__(self, count, classes=8):
        self.prototypes = torch.randn(classes, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        label = index % len(self.prototypes)
        other = (label + 1 + int(torch.randint(len(self.prototypes) - 1, ()))) % len(self.prototypes)
        return tuple(self.prototypes[each] + torch.randn(1, 16, 16) for each in (label, label, other))


class EmbeddingNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2), nn.PReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.PReLU(),
            nn.Flatten(), nn.Linear(144, 16),
        )  # fmt: skip

    def forward(self, x):
        return nn.functional.normalize(self.net(x))


criterion = nn.TripletMarginLoss(margin=0.5)


def step(model, batch):
    anchor, positive, negative = (model(images) for images in batch)
    correct = (anchor - positive).norm(dim=1) < (anchor - negative).norm(dim=1)
    return criterion(anchor, positive, negative), {"correct": correct.float().mean()}


train_loader = DataLoader(Triplets(256), batch_size=32, shuffle=True)
test_loader = DataLoader(Triplets(80), batch_size=32)

task = lrtui.tasks.from_loaders(EmbeddingNet, train_loader, test_loader, step=step)
