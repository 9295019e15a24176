"""The lines that attach a training script, for plain PyTorch and for frameworks."""

from __future__ import annotations

from collections.abc import Mapping

PLAIN = """\
import lrtui

run = lrtui.attach(optimizer, scheduler, epochs=epochs, batches_per_epoch=len(loader))
for epoch in range(epochs):
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        run.log(loss=loss)
    scheduler.step()
    run.log_eval(loss=test_loss, accuracy=accuracy)
"""

LIGHTNING = """\
from lrtui.lightning import LrtuiCallback

trainer = Trainer(max_epochs=epochs, callbacks=[LrtuiCallback()])
trainer.fit(model, loader)
"""

TRANSFORMERS = """\
from lrtui.transformers import LrtuiCallback

trainer = Trainer(model=model, args=arguments, train_dataset=dataset, callbacks=[LrtuiCallback()])
trainer.train()
"""

ACCELERATE = """\
import lrtui

model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
run = lrtui.attach(optimizer, scheduler, epochs=epochs, batches_per_epoch=len(loader))
for epoch in range(epochs):
    for inputs, targets in loader:
        with accelerator.accumulate(model):
            loss = criterion(model(inputs), targets)
            accelerator.backward(loss)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        run.log(loss=loss)
"""

SNIPPETS: Mapping[str, str] = {
    "plain": PLAIN,
    "lightning": LIGHTNING,
    "transformers": TRANSFORMERS,
    "accelerate": ACCELERATE,
}
"""The lines by what the script is written with."""
