"""The engine: runs in their threads, their recording, resuming and hand-over to background processes."""
