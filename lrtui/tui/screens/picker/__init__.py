"""The schedule picker: a list, a form, a line of notation and a curve, all views of one schedule."""
