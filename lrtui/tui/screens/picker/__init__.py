"""The schedule picker: a list, a form, a line of notation and a preview of one schedule."""
