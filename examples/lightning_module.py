r"""A LightningModule and its LightningDataModule, as they are: lrtui takes the place of Lightning's Trainer.

    lrtui train "OneCycleLR(max_lr=0.01)" --task examples/lightning_module.py:task --epochs 3

In Python, `Run(RunSpec(epochs=3), task)` uses the scheduler of configure_optimizers.
"""

import lightning as L
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchmetrics.classification import BinaryAUROC

import lrtui.tasks


class LitClassifier(L.LightningModule):
    def __init__(self, hidden=32, lr=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Dropout(0.1), nn.Linear(hidden, 1))
        self.val_auroc = BinaryAUROC()

    def forward(self, x):
        return self.net(x).squeeze(1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        loss = F.binary_cross_entropy_with_logits(logits, y.float())
        self.log("train_acc", ((logits > 0) == y).float().mean(), on_step=True, on_epoch=False)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.val_auroc.update(logits, y)
        self.log("val_loss", F.binary_cross_entropy_with_logits(logits, y.float()), prog_bar=True)
        self.log("val_acc", ((logits > 0) == y).float().mean())
        self.log("val_auroc", self.val_auroc)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=self.hparams.lr, total_steps=self.trainer.estimated_stepping_batches
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class RingData(L.LightningDataModule):
    def setup(self, stage):
        x = torch.randn(480, 2)
        y = (x.norm(dim=1) > 1.2).long()
        self.train_set, self.val_set = random_split(TensorDataset(x, y), [400, 80])

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=50, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=32)


module = LitClassifier()
task = lrtui.tasks.from_lightning(module, RingData())
