r"""Faster R-CNN of torchvision: batches are lists of images of different sizes and of dicts with their boxes.

    lrtui train "StepLR(step_size=3)" --task examples/detection.py:task --epochs 2

The model returns its losses in training mode and its detections in evaluation mode, so the test computes both. With
weights="DEFAULT" and real images this is fine-tuning; here the weights are random and the images bright rectangles.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn
from torchvision.ops import box_iou

import lrtui.tasks


class Rectangles(Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = 0.2 * torch.rand(3, 56 + 4 * (index % 3), 64, generator=generator)
        boxes = []
        for _ in range(1 + index % 2):
            x, y = torch.randint(0, 32, (2,), generator=generator).tolist()
            image[:, y : y + 20, x : x + 20] += 0.7
            boxes.append([x, y, x + 20, y + 20])
        return image, {"boxes": torch.tensor(boxes).float(), "labels": torch.ones(len(boxes), dtype=torch.int64)}


def collate_fn(batch):
    return tuple(zip(*batch, strict=True))


def train_step(model, batch):
    images, targets = batch
    loss_dict = model(images, targets)
    return sum(loss_dict.values()), loss_dict


def test_step(model, batch):
    images, targets = batch
    detections = model(images)
    best = [box_iou(t["boxes"], d["boxes"]).amax(1).mean() if len(d["boxes"]) else torch.zeros(())
            for t, d in zip(targets, detections, strict=True)]  # fmt: skip
    # the losses need training mode, in which BatchNorm must not learn from the test
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    loss_dict = model(images, targets)
    model.eval()
    return sum(loss_dict.values()), {"best iou": sum(best) / len(best)}


def make_model():
    return fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, num_classes=2, min_size=64, max_size=64
    )


def make_optimizer(model):
    params = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.SGD(params, lr=0.005, momentum=0.9, weight_decay=0.0005)


data_loader = DataLoader(Rectangles(12), batch_size=4, shuffle=True, collate_fn=collate_fn)
data_loader_test = DataLoader(Rectangles(5), batch_size=2, collate_fn=collate_fn)

task = lrtui.tasks.from_loaders(
    make_model, data_loader, data_loader_test, step=train_step, test_step=test_step, optimizer=make_optimizer
)
