"""Chooses the bundled sample of Fashion-MNIST: `python -m lrtui.tasks.make_sample FOLDER`.

FOLDER contains the four files of the data set. The sample has 6,000 training and 1,000 test images, the same number of
each class, drawn without replacement with a fixed seed; classes alternate, so that its first images are balanced too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrtui.tasks.fashion_mnist import NAMES
from lrtui.tasks.idx import read_idx, write_idx

SEED = 20_170_825  # the day the data set's paper appeared
SIZES = {"train": 6000, "t10k": 1000}
BUNDLED = Path(__file__).parent / "data"


def choose(labels: NDArray[np.uint8], size: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the indices of `size` samples, classes alternating."""
    classes = np.unique(labels)
    chosen = [
        generator.choice(np.flatnonzero(labels == label), size // len(classes), replace=False) for label in classes
    ]
    return np.stack(chosen, axis=1).ravel()


def main(folder: Path) -> None:
    """Write the sample's four files beside this one."""
    generator = np.random.default_rng(SEED)
    for images_name, labels_name in (NAMES[:2], NAMES[2:]):
        images, labels = read_idx(folder / images_name), read_idx(folder / labels_name)
        indices = choose(labels, SIZES[images_name.split("-")[0]], generator)
        write_idx(BUNDLED / images_name, images[indices])
        write_idx(BUNDLED / labels_name, labels[indices])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
