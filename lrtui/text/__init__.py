"""Formatting of numbers, durations and tables, and text that is safe to print. Standard library only."""
