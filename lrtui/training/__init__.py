"""Training: the loop, the control of the lr, evaluation. The only layer that touches a model."""
