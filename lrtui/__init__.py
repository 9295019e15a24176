"""A cockpit for learning rates in the terminal, and a Python API for it.

```
from lrtui import EvalDone, Run, RunSpec

run = Run(RunSpec(schedule="ExponentialLR(gamma=0.1)", epochs=5)).start()
for event in run:
    if isinstance(event, EvalDone):
        print(f"epoch {event.epoch}: accuracy {event.accuracy}")
        if event.epoch == 2:
            run.send("OneCycleLR(max_lr=0.003) from base")
print(run.result().best)
```

A `Run` trains in a separate thread, publishes events, and takes commands. A `Task` defines the model, the data and the
loss; a `RunSpec` holds the settings. `parse_schedule` parses a schedule, `simulate` returns its lr for every batch.
Each name is imported when it is first used: `import lrtui` alone imports neither torch nor anything else.
"""

import lazy_loader

# the names come from the stub file, which type checkers read as well
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
