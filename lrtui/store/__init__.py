"""Everything that runs say, kept in one SQLite file: written by one thread a process, read by anybody."""
