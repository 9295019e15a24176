"""Tasks that train an epoch in a fraction of a second, for the recorded runs."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import nn

from lrtui.tasks.fashion_mnist import DEVIATION, MEAN, FashionMnist, read_files
from lrtui.tasks.make_sample import BUNDLED


@cache
def _bundled() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    images, labels, test_images, test_labels = (torch.from_numpy(array.copy()) for array in read_files(BUNDLED))

    def normalized(pixels: torch.Tensor) -> torch.Tensor:
        return ((pixels.float() / 255 - MEAN) / DEVIATION).unsqueeze(1)

    return normalized(images), labels.long(), normalized(test_images), test_labels.long()


class Clothes:
    """A small network on 3,000 of the bundled sample's images."""

    training_samples = 3000

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels, _, _ = _bundled()
        return images[:3000], labels[:3000]

    def test_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        _, _, images, labels = _bundled()
        return images[:1000], labels[:1000]

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets}


class CaseStudy(Clothes):
    """The case study's network, on 2,000 images."""

    training_samples = 2000

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = super().training_data()
        return images[:2000], labels[:2000]

    def model(self) -> nn.Module:
        return FashionMnist().model()


class Memory(Clothes):
    """400 images that a wide network memorizes: close to 0, a small rise of the loss is a large factor."""

    training_samples = 400

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = super().training_data()
        return images[:400], labels[:400]

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


class Spirals(Clothes):
    """Classification of points on three interleaved spirals."""

    training_samples = 1500

    def _points(self, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        arm = torch.randint(3, (count,), generator=generator)
        radius = torch.rand(count, generator=generator)
        angle = 4 * radius + 2 * math.pi / 3 * arm + 0.2 * torch.randn(count, generator=generator)
        return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), arm

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self._points(1500, 1)

    def test_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self._points(600, 2)

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))


class Wave:
    """A regression: a loss without an accuracy."""

    training_samples = 2000

    def _points(self, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        x = 4 * torch.rand(count, 1, generator=generator) - 2
        return x, torch.sin(3 * x) + 0.3 * x + 0.1 * torch.randn(count, 1, generator=generator)

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self._points(2000, 1)

    def test_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self._points(500, 2)

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.mse_loss(outputs, targets)


class HeavyTails(Wave):
    """A linear regression with outliers: the loss of a batch is mostly noise."""

    def _points(self, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(count, 8, generator=generator)
        tails = torch.randn(count, generator=generator) / torch.rand(count, generator=generator).clamp_min(0.05)
        return x, (x.sum(dim=1) + 0.3 * tails).unsqueeze(1)

    def model(self) -> nn.Module:
        return nn.Linear(8, 1)


TASKS = {task.__name__: task for task in (Clothes, CaseStudy, Memory, Spirals, Wave, HeavyTails)}
