r"""A character-level GPT as in nanoGPT: an endless stream of random blocks, and a model that returns (logits, loss).

    lrtui train "WarmupCosine(warmup=10, min_lr=1e-4)" --task examples/char_gpt.py:task --train-samples 640 --epochs 5

The stream has no end: `--train-samples` says how many blocks an epoch has.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

import lrtui.tasks

BLOCK_SIZE = 32
text = "to be or not to be, that is the question: whether 'tis nobler in the mind to suffer " * 40
chars = sorted(set(text))
vocab_size = len(chars)
data = torch.tensor([chars.index(c) for c in text])


class Blocks(IterableDataset):
    """Random blocks of the text, forever."""

    def __init__(self, data):
        self.data = data

    def __iter__(self):
        while True:
            i = int(torch.randint(len(self.data) - BLOCK_SIZE, ()))
            yield self.data[i : i + BLOCK_SIZE], self.data[i + 1 : i + 1 + BLOCK_SIZE]


class Block(nn.Module):
    def __init__(self, n_embd, n_head):
        super().__init__()
        self.n_head = n_head
        self.ln_1 = nn.LayerNorm(n_embd)
        self.attn = nn.Linear(n_embd, 3 * n_embd)
        self.proj = nn.Linear(n_embd, n_embd)
        self.ln_2 = nn.LayerNorm(n_embd)
        self.mlp = nn.Sequential(nn.Linear(n_embd, 4 * n_embd), nn.GELU(), nn.Linear(4 * n_embd, n_embd))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = (each.view(B, T, self.n_head, -1).transpose(1, 2) for each in self.attn(self.ln_1(x)).split(C, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(B, T, C))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, vocab_size=vocab_size, n_layer=2, n_head=4, n_embd=32):
        super().__init__()
        self.wte = nn.Embedding(vocab_size, n_embd)
        self.wpe = nn.Embedding(BLOCK_SIZE, n_embd)
        self.drop = nn.Dropout(0.1)
        self.h = nn.ModuleList([Block(n_embd, n_head) for _ in range(n_layer)])
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.wte.weight = self.lm_head.weight
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, idx, targets=None):
        pos = torch.arange(idx.size(1), device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        loss = None if targets is None else F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        return logits, loss

    def configure_optimizers(self, weight_decay=0.1, learning_rate=3e-3, betas=(0.9, 0.95)):
        params = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in params if p.dim() >= 2], "weight_decay": weight_decay},
            {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=learning_rate, betas=betas)


train_loader = DataLoader(Blocks(data[:3000]), batch_size=16)
val_loader = DataLoader([(data[i : i + 32], data[i + 1 : i + 33]) for i in range(3000, 3300, 32)], batch_size=10)

task = lrtui.tasks.from_loaders(GPT, train_loader, val_loader, optimizer=GPT.configure_optimizers)
