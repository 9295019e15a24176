"""The cockpit: the only layer that knows Textual."""
