"""A character model in a loop like nanoGPT's: no scheduler, the lr is a function of the iteration.

python examples/attached/nanogpt.py --max-iters 60
"""

import argparse
import math

import torch
import torch.nn as nn
from torch.nn import functional as F

import lrtui

parser = argparse.ArgumentParser()
parser.add_argument("--max-iters", type=int, default=60)
parser.add_argument("--save-model", metavar="FILE")
args = parser.parse_args()

batch_size, block_size, n_embd = 16, 16, 32
learning_rate, min_lr, warmup_iters = 1e-2, 1e-3, 5
max_iters = lr_decay_iters = args.max_iters
eval_interval, eval_iters = 20, 4
grad_clip = 1.0

torch.manual_seed(1337)
text = "It is a truth universally acknowledged that a loop of one's own must be in want of a schedule. " * 20
chars = sorted(set(text))
data = torch.tensor([chars.index(c) for c in text])
train_data, val_data = data[: len(data) * 9 // 10], data[len(data) * 9 // 10 :]


def get_batch(split):
    source = train_data if split == "train" else val_data
    ix = torch.randint(len(source) - block_size, (batch_size,))
    x = torch.stack([source[i : i + block_size] for i in ix])
    y = torch.stack([source[i + 1 : i + 1 + block_size] for i in ix])
    return x, y


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(len(chars), n_embd)
        self.wpe = nn.Embedding(block_size, n_embd)
        self.block = nn.TransformerEncoderLayer(n_embd, 2, 2 * n_embd, dropout=0.0, batch_first=True, norm_first=True)
        self.lm_head = nn.Linear(n_embd, len(chars), bias=False)

    def forward(self, idx, targets):
        x = self.wte(idx) + self.wpe.weight
        x = self.block(x, src_mask=nn.Transformer.generate_square_subsequent_mask(block_size), is_causal=True)
        logits = self.lm_head(x)
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


@torch.no_grad()
def estimate_loss():
    model.eval()
    losses = [model(*get_batch("val"))[1].item() for _ in range(eval_iters)]
    model.train()
    return sum(losses) / eval_iters


# linear warmup, then cosine decay down to min_lr
def get_lr(it):
    if it < warmup_iters:
        return learning_rate * (it + 1) / (warmup_iters + 1)
    if it > lr_decay_iters:
        return min_lr
    decay_ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    return min_lr + 0.5 * (1.0 + math.cos(math.pi * decay_ratio)) * (learning_rate - min_lr)


model = GPT()
decay_params = [p for p in model.parameters() if p.dim() >= 2]
nodecay_params = [p for p in model.parameters() if p.dim() < 2]
optim_groups = [{"params": decay_params, "weight_decay": 0.1}, {"params": nodecay_params, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(optim_groups, lr=learning_rate, betas=(0.9, 0.95))

run = lrtui.attach(optimizer, epochs=1, batches_per_epoch=max_iters)
iter_num = 0
X, Y = get_batch("train")
while iter_num < max_iters:
    # determine and set the learning rate for this iteration
    lr = get_lr(iter_num)
    for param_group in optimizer.param_groups:
        param_group["lr"] = lr

    # evaluate the loss on the validation set
    if iter_num % eval_interval == 0:
        val_loss = estimate_loss()
        run.log_eval(loss=val_loss)
        print(f"step {iter_num}: val loss {val_loss:.4f}", flush=True)

    logits, loss = model(X, Y)
    X, Y = get_batch("train")
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    run.log(loss=loss)
    print(f"iter {iter_num}: loss {loss.item():.6f}, lr {lr:.6g}", flush=True)
    iter_num += 1

if args.save_model:
    torch.save(model.state_dict(), args.save_model)
