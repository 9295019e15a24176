r"""Fine-tuning of a vision transformer of timm with layer-wise lr decay: each block has a smaller lr than the next one.

    lrtui train "WarmupCosine(warmup=0.1)" --task examples/timm_layer_decay.py:task --epochs 2

With pretrained=True and real images this is the usual recipe; here the weights are random and the images made up.
"""

import timm
import timm.optim
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import FakeData
from torchvision.transforms import ToTensor

import lrtui.tasks


def make_optimizer(model):
    groups = timm.optim.param_groups_layer_decay(model, weight_decay=0.05, layer_decay=0.65)
    return torch.optim.AdamW(groups, lr=1e-3)


def accuracy(output, target):
    return {"accuracy": output.argmax(dim=1) == target}


model = timm.create_model(
    "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=3, num_classes=10
)
loader_train = DataLoader(FakeData(32, (3, 32, 32), 10, ToTensor()), batch_size=8, shuffle=True)
loader_eval = DataLoader(FakeData(16, (3, 32, 32), 10, ToTensor(), random_offset=32), batch_size=8)
train_loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1)

task = lrtui.tasks.from_loaders(
    model, loader_train, loader_eval, train_loss_fn, metrics=accuracy, optimizer=make_optimizer
)
