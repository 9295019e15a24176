"""Controllers: what each action does, one module per subject."""
