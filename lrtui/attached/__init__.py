"""Training scripts of the user's own that `lrtui.attach` shows and controls."""
