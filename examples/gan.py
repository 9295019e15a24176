r"""A GAN: two networks with an optimizer each, and the training step of PyTorch's DCGAN example.

    lrtui train "PerOptimizer(generator=ConstantLR(factor=1), discriminator=ExponentialLR(gamma=0.9))" \
        --task examples/gan.py:task --epochs 3

A step with the parameter `optimizers` calls `backward()` and `step()` itself; the values that it returns are drawn.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrtui.tasks

LATENT = 16
generator = nn.Sequential(
    nn.ConvTranspose2d(LATENT, 16, 4, 1, 0, bias=False), nn.BatchNorm2d(16), nn.ReLU(True),
    nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
    nn.ConvTranspose2d(8, 1, 4, 2, 1, bias=False), nn.Tanh(),
)  # fmt: skip
discriminator = nn.Sequential(
    nn.Conv2d(1, 8, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(8, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(16, 1, 4, 1, 0, bias=False), nn.Flatten(0),
)  # fmt: skip
model = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
criterion = nn.BCEWithLogitsLoss()


def make_optimizers(model):
    return {name: torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for name, net in model.items()}


def train_step(model, batch, optimizers):
    (real,) = batch
    ones, zeros = torch.ones(len(real), device=real.device), torch.zeros(len(real), device=real.device)
    fake = model["generator"](torch.randn(len(real), LATENT, 1, 1, device=real.device))

    # (1) Update D network: maximize log(D(x)) + log(1 - D(G(z)))
    optimizers["discriminator"].zero_grad()
    error_d = criterion(model["discriminator"](real), ones) + criterion(model["discriminator"](fake.detach()), zeros)
    error_d.backward()
    optimizers["discriminator"].step()

    # (2) Update G network: maximize log(D(G(z)))
    optimizers["generator"].zero_grad()
    error_g = criterion(model["discriminator"](fake), ones)
    error_g.backward()
    optimizers["generator"].step()
    return error_g, {"discriminator loss": error_d}


def squares(count):
    """White squares in place of images."""
    images = -torch.ones(count, 1, 16, 16)
    for image, (y, x) in zip(images, torch.randint(0, 10, (count, 2)), strict=True):
        image[:, y : y + 6, x : x + 6] = 1
    return TensorDataset(images)


dataloader = DataLoader(squares(128), batch_size=16, shuffle=True)

task = lrtui.tasks.from_loaders(model, dataloader, step=train_step, optimizer=make_optimizers)
