"""Charts as pure functions from data and a size to rows of text, without widgets or a terminal."""
