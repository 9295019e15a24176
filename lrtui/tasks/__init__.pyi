# What is public here, and where it is: the one declaration, for type checkers and for the lazy import alike.
from .lightning_task import from_lightning
from .loaders_task import from_loaders

__all__ = ["from_lightning", "from_loaders"]
