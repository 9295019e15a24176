"""Checkpoints: the file format, when they are saved and removed, and how training resumes from one."""
