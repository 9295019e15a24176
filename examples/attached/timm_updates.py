"""timm's way: `step_update` after each update, `step` with the metric at the end of an epoch.

python examples/attached/timm_updates.py --epochs 3
"""

import argparse

import torch
from timm.models import create_model
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import AverageMeter, accuracy

import lrtui

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--warmup-epochs", type=int, default=1)
parser.add_argument("--save-model", metavar="FILE")
args = parser.parse_args()

torch.manual_seed(0)
images = torch.randn(48, 3, 16, 16)
labels = torch.arange(48) % 4
images += labels.view(-1, 1, 1, 1) - 1.5
loader_train = list(zip(images.split(6), labels.split(6), strict=True))
updates_per_epoch = len(loader_train)

model = create_model(
    "vit_tiny_patch16_224", img_size=16, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=4
)
optimizer = create_optimizer_v2(model, opt="adamw", lr=args.lr, weight_decay=0.05, layer_decay=0.75)
lr_scheduler, num_epochs = create_scheduler_v2(
    optimizer,
    sched="cosine",
    num_epochs=args.epochs,
    warmup_epochs=args.warmup_epochs,
    warmup_lr=1e-5,
    step_on_epochs=False,
    updates_per_epoch=updates_per_epoch,
)
train_loss_fn = torch.nn.CrossEntropyLoss()

run = lrtui.attach(optimizer, lr_scheduler, epochs=num_epochs, batches_per_epoch=updates_per_epoch)
lr_scheduler.step_update(num_updates=0)
for epoch in range(num_epochs):
    losses_m = AverageMeter()
    model.train()
    num_updates = epoch * updates_per_epoch
    for batch_idx, (x, target) in enumerate(loader_train):
        optimizer.zero_grad()
        loss = train_loss_fn(model(x), target)
        loss.backward()
        optimizer.step()
        num_updates += 1
        losses_m.update(loss.item(), x.size(0))
        lr = max(group["lr"] for group in optimizer.param_groups)
        run.log(loss=loss)
        print(f"Train: {epoch} [{batch_idx:>4d}/{updates_per_epoch}] Loss: {loss.item():.6f} LR: {lr:.6g}", flush=True)
        lr_scheduler.step_update(num_updates=num_updates, metric=losses_m.avg)
    model.eval()
    with torch.no_grad():
        top1 = accuracy(model(images), labels)[0].item()
    run.log_eval(accuracy=top1 / 100)
    lr_scheduler.step(epoch + 1, top1)

if args.save_model:
    torch.save(model.state_dict(), args.save_model)
