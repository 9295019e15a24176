"""The command line: one file a command. Knows no Textual, and imports torch only where a command needs it."""
