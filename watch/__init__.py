"""What runs beside the rooms: the watcher over their agents, and attendance."""
