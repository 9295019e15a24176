"""The engine: runs in threads, how they are recorded, resumed and continued in background processes."""
