"""Analysis of schedules and runs: checks, advice, races and suggestions. Knows no front end."""
