"""A Fashion-MNIST of forty images, as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lrtui.tasks.fashion_mnist import NAMES
from lrtui.tasks.idx import write_idx

TRAIN, TEST = 30, 10


def write_small_fashion(folder: Path, seed: int = 0) -> Path:
    """Write the four files, the pixels drawn with that seed, and return their folder."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for images_name, labels_name, count in ((NAMES[0], NAMES[1], TRAIN), (NAMES[2], NAMES[3], TEST)):
        write_idx(folder / images_name, generator.integers(0, 256, (count, 28, 28), np.uint8))
        write_idx(folder / labels_name, (np.arange(count) % 10).astype(np.uint8))
    return folder
