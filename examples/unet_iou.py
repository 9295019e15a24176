r"""A small U-Net for segmentation, with IoU and Dice over the whole test set, exact for any batch size.

    lrtui train "OneCycleLR(max_lr=0.01)" --task examples/unet_iou.py:task --epochs 2

The images are made-up discs on a noisy background.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrtui.tasks


def double_conv(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
    )  # fmt: skip


class UNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.down1 = double_conv(1, width)
        self.down2 = double_conv(width, 2 * width)
        self.bottom = double_conv(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.conv2 = double_conv(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.conv1 = double_conv(2 * width, width)
        self.head = nn.Conv2d(width, 1, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(self.pool(first))
        x = self.up2(self.bottom(self.pool(second)))
        x = self.up1(self.conv2(torch.cat([second, x], dim=1)))
        return self.head(self.conv1(torch.cat([first, x], dim=1)))


def iou(logits, masks):
    predicted, actual = logits > 0, masks > 0.5
    intersection, union = (predicted & actual).sum(), (predicted | actual).sum()
    return {"iou": intersection / union, "dice": 2 * intersection / (predicted.sum() + actual.sum())}


def discs(count, size=32):
    centers, radii = torch.randint(8, size - 8, (count, 2, 1, 1)), torch.randint(3, 8, (count, 1, 1))
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    masks = ((y - centers[:, 0]) ** 2 + (x - centers[:, 1]) ** 2 < radii**2).float()[:, None]
    return TensorDataset(masks + 0.5 * torch.randn(count, 1, size, size), masks)


train_loader = DataLoader(discs(64), batch_size=8, shuffle=True)
test_loader = DataLoader(discs(20), batch_size=8)
criterion = nn.BCEWithLogitsLoss()

task = lrtui.tasks.from_loaders(UNet, train_loader, test_loader, criterion, test_metrics=iou, best="iou", mode="max")
