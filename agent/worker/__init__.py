"""The worker process: takes agent jobs, and lets its rooms finish before it stops."""
