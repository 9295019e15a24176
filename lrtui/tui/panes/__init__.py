"""Panes: each draws one thing from a state."""
