"""Schedules against each other: the same starts, the same data order, several seeds, and what the differences mean."""
