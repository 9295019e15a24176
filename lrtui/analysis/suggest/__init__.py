"""A schedule for a task, within a budget: a range test, short races over what fits the run, the winner in full."""
