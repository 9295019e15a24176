"""Schedules and optimizers as text, as values and as the real PyTorch objects; torch is imported on building only."""
