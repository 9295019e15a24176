"""Text logs: CSV, JSON lines, the tables of Lightning, and exports of lrtui."""
