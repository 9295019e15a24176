"""The files of Weights & Biases."""
