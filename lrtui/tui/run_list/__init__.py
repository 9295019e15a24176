"""The run list: the runs of this process and of all sources, as rows, and the events of those that are drawn."""
