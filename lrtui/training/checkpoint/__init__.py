"""Checkpoints: the file format, when they are saved, which are kept, and how training resumes from one."""
