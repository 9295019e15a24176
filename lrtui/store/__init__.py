"""The store: the events of runs in one SQLite file, written by one thread per process and read by any number."""
