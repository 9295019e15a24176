r"""A small transformer that learns to write: characters of sentences that are generated from a small grammar.

    lrtui --task examples/language_model.py:Grammar --optimizer "AdamW(lr=0.003)" --epochs 5 --clip-grad-norm 1 \
        "SequentialLR([LinearLR(start_factor=0.1, total_iters=40), CosineAnnealingLR()], milestones=[40], per='batch')"

Inputs are characters, targets the same characters shifted by one; the metrics have one value per character.
"""

from __future__ import annotations

import random

import torch
from torch import nn

LENGTH = 32
WORDS = {
    "who": ["the model", "a student", "the optimizer", "my neighbour", "a small network"],
    "does": ["learns", "forgets", "watches", "repeats", "follows"],
    "what": ["the gradient", "a long song", "every step", "the same mistake", "its teacher"],
    "when": ["at night", "once more", "too fast", "without a plan", "after lunch"],
}
ALPHABET = " .abcdefghijklmnopqrstuvwxyz"


class Grammar:
    """Predicts the next character of sentences."""

    def model(self) -> nn.Module:
        return Transformer()

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return sequences(sentences=3000, seed=0)

    def test_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return sequences(sentences=400, seed=1)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        # shape (sequences, characters): averaged over all of them
        return {"accuracy": outputs.argmax(dim=2) == targets}


class Transformer(nn.Module):
    """Two layers of attention that looks back only."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.characters = nn.Embedding(len(ALPHABET), width)
        self.places = nn.Embedding(LENGTH, width)
        layer = nn.TransformerEncoderLayer(width, nhead=4, dim_feedforward=4 * width, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.head = nn.Linear(width, len(ALPHABET))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return a score for each next character: (sequences, characters) to (sequences, characters, alphabet)."""
        length = inputs.shape[1]
        hidden = self.characters(inputs) + self.places(torch.arange(length, device=inputs.device))
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=inputs.device)
        return self.head(self.layers(hidden, mask=mask, is_causal=True))


def sequences(sentences: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return characters as numbers, shape (sequences, LENGTH), and the ones that follow them, of the same shape."""
    chance = random.Random(seed)
    text = "".join(" ".join(chance.choice(choices) for choices in WORDS.values()) + ". " for _ in range(sentences))
    numbers = torch.tensor([ALPHABET.index(character) for character in text])
    count = (len(numbers) - 1) // LENGTH
    return numbers[: count * LENGTH].view(count, LENGTH), numbers[1 : count * LENGTH + 1].view(count, LENGTH)
