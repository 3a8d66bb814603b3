"""Background jobs: runs what `db.queue` has queued."""
