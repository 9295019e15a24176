"""torch.compile: the model, and with --compile-step the step of the optimizer as well, whose lr is then a tensor.

python examples/attached/compiled.py --epochs 2 [--compile-step] [--backend inductor]
"""

import argparse

import torch
from torch import nn

import lrtui

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--compile-step", action="store_true", help="compile optimizer.step() and scheduler.step()")
parser.add_argument("--backend", default="inductor")
parser.add_argument("--save-model", metavar="FILE")
args = parser.parse_args()

torch.manual_seed(0)
inputs = torch.randn(20, 16, 8)
batches = list(zip(inputs, inputs.sum(dim=-1, keepdim=True), strict=True))

model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
compiled_model = torch.compile(model, backend=args.backend)
lr = torch.tensor(0.01) if args.compile_step else 0.01
optimizer = torch.optim.Adam(model.parameters(), lr=lr)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)


def step():
    optimizer.step()
    scheduler.step()


if args.compile_step:
    step = torch.compile(step, backend=args.backend)

run = lrtui.attach(optimizer, scheduler, epochs=args.epochs, batches_per_epoch=len(batches))
for epoch in range(args.epochs):
    for x, y in batches:
        loss = nn.functional.mse_loss(compiled_model(x), y)
        loss.backward()
        lr_of_step = float(optimizer.param_groups[0]["lr"])
        step()
        optimizer.zero_grad()
        run.log(loss=loss)
        print(f"epoch {epoch} loss {loss.item():.6f} lr {lr_of_step:.6g}", flush=True)

if args.save_model:
    torch.save(model.state_dict(), args.save_model)
