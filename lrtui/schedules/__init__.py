"""Schedules and optimizers as text, as values and as PyTorch objects; torch is imported only to build the objects."""
