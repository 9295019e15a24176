"""A cockpit for learning rates in the terminal."""
