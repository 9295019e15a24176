r"""Muon for the matrices of the hidden layers, AdamW for embeddings, head and vectors; each with its schedule.

    lrtui train "PerOptimizer(muon=WSD(warmup=0.1, decay=0.3), adamw=WarmupCosine(warmup=0.1))" \
        --task examples/muon_adamw.py:task --epochs 2

A single schedule, such as "WarmupCosine(warmup=0.1)", is shared by both, each with its own peak lr.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lrtui.tasks

VOCABULARY, LENGTH = 32, 12


class Model(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, dim)
        layer = nn.TransformerEncoderLayer(dim, nhead=4, dim_feedforward=64, dropout=0.0, batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, num_layers=1)
        self.head = nn.Linear(dim, VOCABULARY)

    def forward(self, tokens):
        return self.head(self.blocks(self.embed(tokens)))


def make_optimizers(model):
    hidden = [p for p in model.blocks.parameters() if p.ndim == 2]
    ids = {id(p) for p in hidden}
    others = [p for p in model.parameters() if id(p) not in ids]
    return {"muon": torch.optim.Muon(hidden, lr=0.02), "adamw": torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.95))}


def loss(logits, tokens):
    return nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())


def reversed_sequences(count):
    tokens = torch.randint(VOCABULARY, (count, LENGTH))
    return TensorDataset(tokens, tokens.flip(1))


train_loader = DataLoader(reversed_sequences(160), batch_size=16, shuffle=True)
test_loader = DataLoader(reversed_sequences(40), batch_size=20)

task = lrtui.tasks.from_loaders(Model, train_loader, test_loader, loss, optimizer=make_optimizers)
