"""The command line: one file per command. It never imports Textual, and torch only if a command needs it."""
