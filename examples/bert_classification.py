r"""BertForSequenceClassification of transformers: batches are dicts, and the model returns the loss.

    lrtui train "WarmupLinear(warmup=0.1)" --task examples/bert_classification.py:task --epochs 6

The model is a tiny one from a config, and the sentences are made-up token ids, so that it runs without a download.
"""

import torch
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForSequenceClassification

import lrtui.tasks

config = BertConfig(
    vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, num_labels=2
)
model = BertForSequenceClassification(config)


def tokenized(count, length=16):
    """Sentences whose label is whether token 7 is among them, with padding."""
    input_ids = torch.randint(8, 100, (count, length))
    labels = torch.arange(count) % 2
    input_ids[labels == 1, 3] = 7
    attention_mask = torch.ones_like(input_ids)
    attention_mask[:, 12:] = 0
    columns = {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}
    return [{name: column[row] for name, column in columns.items()} for row in range(count)]


def compute_metrics(outputs, labels):
    return {"accuracy": outputs.logits.argmax(dim=-1) == labels}


def make_optimizer(model):
    no_decay = ("bias", "LayerNorm.weight")
    groups = [
        {"params": [p for n, p in model.named_parameters() if not n.endswith(no_decay)], "weight_decay": 0.01},
        {"params": [p for n, p in model.named_parameters() if n.endswith(no_decay)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=2e-3)


train_loader = DataLoader(tokenized(256), batch_size=16, shuffle=True)
test_loader = DataLoader(tokenized(64), batch_size=32)

task = lrtui.tasks.from_loaders(model, train_loader, test_loader, metrics=compute_metrics, optimizer=make_optimizer)
