"""Gradient accumulation: an optimizer step after several batches, the last one of an epoch after the rest.

python examples/attached/accumulation.py --epochs 3
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrtui

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--accumulation-steps", type=int, default=4)
parser.add_argument("--save-model", metavar="FILE")
args = parser.parse_args()

torch.manual_seed(0)
inputs = torch.randn(208, 20)
loader = DataLoader(TensorDataset(inputs, inputs[:, :1] * 3 - 1), batch_size=8, shuffle=True)
model = nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)

n = args.accumulation_steps
run = lrtui.attach(optimizer, scheduler, epochs=args.epochs, batches_per_epoch=len(loader), batches_per_step=n)
for epoch in range(args.epochs):
    losses = []
    for i, (x, y) in enumerate(loader):
        loss = nn.functional.mse_loss(model(x), y)
        (loss / n).backward()
        losses.append(loss.item())
        run.log(loss=loss)
        if (i + 1) % n == 0 or i + 1 == len(loader):
            optimizer.step()
            optimizer.zero_grad()
            print(f"epoch {epoch} loss {sum(losses) / len(losses):.6f} lr {scheduler.get_last_lr()[0]:.6g}", flush=True)
            losses = []
    scheduler.step()

if args.save_model:
    torch.save(model.state_dict(), args.save_model)
