"""A GAN: two optimizers by name, with a scheduler each.

python examples/attached/gan.py --epochs 3
"""

import argparse

import torch
import torch.nn as nn
import torch.optim as optim

import lrtui

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--lr", type=float, default=0.0002)
parser.add_argument("--beta1", type=float, default=0.5)
parser.add_argument("--save-model", metavar="FILE")
opt = parser.parse_args()

torch.manual_seed(0)
nz, batch_size = 8, 32
dataloader = torch.randn(12, batch_size, 2) * 0.2 + torch.tensor([1.0, -1.0])

netG = nn.Sequential(nn.Linear(nz, 32), nn.ReLU(True), nn.Linear(32, 2))
netD = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2, inplace=True), nn.Linear(32, 1))
criterion = nn.BCEWithLogitsLoss()
real_label, fake_label = torch.ones(batch_size), torch.zeros(batch_size)

optimizerD = optim.Adam(netD.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
optimizerG = optim.Adam(netG.parameters(), lr=opt.lr / 2, betas=(opt.beta1, 0.999))
schedulerD = optim.lr_scheduler.ExponentialLR(optimizerD, gamma=0.9)
schedulerG = optim.lr_scheduler.LinearLR(optimizerG, start_factor=1.0, end_factor=0.1, total_iters=opt.epochs)

optimizers, schedulers = {"d": optimizerD, "g": optimizerG}, {"d": schedulerD, "g": schedulerG}
run = lrtui.attach(optimizers, schedulers, epochs=opt.epochs, batches_per_epoch=len(dataloader))
for epoch in range(opt.epochs):
    for i, data in enumerate(dataloader):
        # update D with a real and a fake batch
        netD.zero_grad()
        errD_real = criterion(netD(data).view(-1), real_label)
        errD_real.backward()
        fake = netG(torch.randn(batch_size, nz))
        errD_fake = criterion(netD(fake.detach()).view(-1), fake_label)
        errD_fake.backward()
        errD = errD_real + errD_fake
        optimizerD.step()
        # update G
        netG.zero_grad()
        errG = criterion(netD(fake).view(-1), real_label)
        errG.backward()
        optimizerG.step()
        run.log(loss=errG, loss_d=errD)
        print(
            f"[{epoch}/{opt.epochs}][{i}/{len(dataloader)}] Loss_D: {errD.item():.4f} Loss_G: {errG.item():.4f} "
            f"lr: {optimizerD.param_groups[0]['lr']:.6g} {optimizerG.param_groups[0]['lr']:.6g}",
            flush=True,
        )
    schedulerD.step()
    schedulerG.step()

if opt.save_model:
    torch.save({"d": netD.state_dict(), "g": netG.state_dict()}, opt.save_model)
