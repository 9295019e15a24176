"""Advice on a run while it trains, derived from its events; imports no torch and no front end."""
