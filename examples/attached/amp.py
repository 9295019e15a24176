"""Mixed precision with GradScaler: a step whose gradients overflow is skipped, and does not count as a step of the run.

python examples/attached/amp.py --epochs 3 [--fused]
"""

import argparse

import torch
from torch import nn

import lrtui

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--fused", action="store_true", help="the optimizer unscales the gradients, and skips the step")
parser.add_argument("--init-scale", type=float, default=2.0**24)
parser.add_argument("--save-model", metavar="FILE")
args = parser.parse_args()

torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"
inputs = torch.randn(16, 32, 64, device=device)
targets = inputs[:, :, :8].argmax(dim=-1)
batches = list(zip(inputs, targets, strict=True))

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8)).to(device)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=args.fused)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=args.epochs * len(batches))
scaler = torch.amp.GradScaler(device, init_scale=args.init_scale)

run = lrtui.attach(optimizer, scheduler, epochs=args.epochs, batches_per_epoch=len(batches))
for epoch in range(args.epochs):
    for x, y in batches:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.float16):
            loss = criterion(model(x), y)
        scaler.scale(loss).backward()
        lr, scale = scheduler.get_last_lr()[0], scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        skipped = scaler.get_scale() < scale
        if not skipped:
            scheduler.step()
        run.log(loss=loss)
        print(f"epoch {epoch} loss {loss.item():.6f} lr {lr:.6g}{' skipped' if skipped else ''}", flush=True)

if args.save_model:
    torch.save(model.state_dict(), args.save_model)
