"""Checkpoints: the file format, when they are saved, which are removed, and how training resumes from one."""
