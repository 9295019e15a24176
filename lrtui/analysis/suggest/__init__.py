"""Suggests a schedule for a task within a budget: a range test, short races, and the winner at full length."""
