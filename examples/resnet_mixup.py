r"""A small ResNet of torchvision with mixup in collate_fn, and no weight decay for biases and BatchNorm.

    lrtui train --task examples/resnet_mixup.py:task --epochs 2 \
        "SequentialLR([LinearLR(start_factor=0.01, total_iters=4), CosineAnnealingLR()], milestones=[4], per='batch')"

The images are made up (FakeData), so the accuracy means nothing.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, default_collate
from torchvision.datasets import FakeData
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.transforms import v2

import lrtui.tasks

NUM_CLASSES = 10
transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
mixup = v2.MixUp(num_classes=NUM_CLASSES)


def collate_fn(batch):
    return mixup(*default_collate(batch))


def set_weight_decay(model, weight_decay):
    exempt = [p for p in model.parameters() if p.ndim <= 1]
    others = [p for p in model.parameters() if p.ndim > 1]
    return [{"params": others, "weight_decay": weight_decay}, {"params": exempt, "weight_decay": 0.0}]


def make_optimizer(model):
    return torch.optim.SGD(set_weight_decay(model, 5e-4), lr=0.01, momentum=0.9)


train_set = FakeData(32, (3, 32, 32), NUM_CLASSES, transform)
test_set = FakeData(16, (3, 32, 32), NUM_CLASSES, transform, random_offset=32)
train_loader = DataLoader(train_set, batch_size=8, shuffle=True, collate_fn=collate_fn)
test_loader = DataLoader(test_set, batch_size=8)
model = ResNet(BasicBlock, [1, 1, 1, 1], NUM_CLASSES)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

task = lrtui.tasks.from_loaders(model, train_loader, test_loader, criterion, optimizer=make_optimizer)
