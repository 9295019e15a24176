"""Charts as pure functions from data and a size to rows of text; no widget and no terminal."""
