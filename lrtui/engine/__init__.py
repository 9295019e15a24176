"""The engine: runs in threads of their own, their recording, resuming and hand-over to background processes."""
