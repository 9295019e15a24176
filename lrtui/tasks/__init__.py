"""Tasks: the model, the data and the loss that are trained.

`from_loaders` makes one of a model, its data loaders and a loss; `from_lightning` makes one of a LightningModule. They
are imported when they are first used: `import lrtui.tasks` does not import torch.
"""

import lazy_loader

# the names come from the stub file, which type checkers read as well
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
