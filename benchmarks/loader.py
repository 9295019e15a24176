"""The case study with a DataLoader and two workers, in place of batches that lrtui makes itself."""

from __future__ import annotations

from torch.utils.data import DataLoader, TensorDataset

from lrtui.tasks.fashion_mnist import FashionMnist

Batches = DataLoader[tuple[object, ...]]


class Loader(FashionMnist):
    """The case study, its training data loaded by two worker processes."""

    name = "fashion-mnist with two workers"

    def training_data(self) -> Batches:  # type: ignore[override]  # a task may return tensors or a DataLoader
        """Return the batches of an epoch."""
        return DataLoader(TensorDataset(*super().training_data()), batch_size=64, shuffle=True, num_workers=2)
