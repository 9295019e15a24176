"""What there is to say about a run while it goes on, from its events alone: no torch, no terminal."""
