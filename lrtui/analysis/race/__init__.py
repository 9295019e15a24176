"""Races between schedules: equal initial weights and data order, several seeds, and the significance of differences."""
