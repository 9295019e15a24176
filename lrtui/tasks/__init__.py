"""Tasks: the model, the data and the loss that are trained."""
