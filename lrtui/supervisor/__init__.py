"""Commands that lrtui starts in a pseudo-terminal and watches: `lrtui run`."""
