"""What a run says (events), what it is told (commands) and what that adds up to (state): values, no torch."""
