"""The events of runs in one SQLite file: written by one thread per process, read by any number."""
