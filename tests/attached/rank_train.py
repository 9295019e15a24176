"""A script under torch.distributed as users write it; each rank writes the lr of every step to a file.

rank_train.py FOLDER STEPS SECONDS
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import lrtui

folder, steps, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(rank)
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
run = lrtui.attach(
    optimizer, scheduler, epochs=3, batches_per_epoch=steps, on_stop="flag", evaluate=lambda: {"loss": float(rank)}
)
with (folder / f"lrs-{rank}").open("w", buffering=1) as lrs:
    for _ in range(3):
        for _ in range(steps):
            if run.stopped:
                break
            inputs = torch.randn(8, 4)
            loss = (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log(loss=loss)
            print(optimizer.param_groups[0]["lr"], file=lrs)
            time.sleep(seconds)
        scheduler.step()
        if rank == 0:
            run.log_eval(loss=loss)
weights = torch.nn.utils.parameters_to_vector(model.parameters()).tolist()
(folder / f"weights-{rank}").write_text(repr(weights))
dist.destroy_process_group()
os.environ.pop("RANK")
