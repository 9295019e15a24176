"""A small GPT-2 of transformers with its cosine schedule after a warmup, in a loop of one's own.

python examples/attached/transformer.py --epochs 2
"""

import argparse

import torch
from torch.utils.data import DataLoader
from transformers import GPT2Config, GPT2LMHeadModel, get_cosine_schedule_with_warmup

import lrtui

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--learning-rate", type=float, default=5e-4)
parser.add_argument("--warmup-ratio", type=float, default=0.1)
parser.add_argument("--save-model", metavar="FILE")
args = parser.parse_args()

torch.manual_seed(0)
# sequences that count up
starts = torch.randint(0, 32, (160, 1))
loader = DataLoader((starts + torch.arange(16)) % 32, batch_size=8, shuffle=True)

config = GPT2Config(vocab_size=32, n_positions=16, n_embd=32, n_layer=1, n_head=2)
model = GPT2LMHeadModel(config)
no_decay = [p for p in model.parameters() if p.dim() < 2]
decay = [p for p in model.parameters() if p.dim() >= 2]
groups = [{"params": decay, "weight_decay": 0.01}, {"params": no_decay, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=args.learning_rate)
num_training_steps = args.epochs * len(loader)
lr_scheduler = get_cosine_schedule_with_warmup(
    optimizer, num_warmup_steps=int(args.warmup_ratio * num_training_steps), num_training_steps=num_training_steps
)

run = lrtui.attach(optimizer, lr_scheduler, epochs=args.epochs, batches_per_epoch=len(loader))
model.train()
for epoch in range(args.epochs):
    for input_ids in loader:
        outputs = model(input_ids=input_ids, labels=input_ids)
        outputs.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        run.log(loss=outputs.loss, grad_norm=norm)
        print(f"epoch {epoch} loss {outputs.loss.item():.6f} lr {lr_scheduler.get_last_lr()[0]:.6g}", flush=True)
        optimizer.step()
        lr_scheduler.step()
        optimizer.zero_grad()

if args.save_model:
    torch.save(model.state_dict(), args.save_model)
