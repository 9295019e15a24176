"""The events, commands and state of a run: plain values, without torch."""
