"""Text for people: numbers, durations, tables, and strings made safe to print. Standard library only."""
