"""Charts: pure functions from points and a size to rows of text, and the one widget that shows them."""
