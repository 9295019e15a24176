"""Screens: each arranges panes, with a style sheet beside it."""
