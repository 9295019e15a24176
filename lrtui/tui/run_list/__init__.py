"""The run list: every run that a source offers, as rows and, where a run is drawn, with its events."""
