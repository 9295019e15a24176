"""The command line: one file per command. It never imports Textual, and torch only where a command needs it."""
