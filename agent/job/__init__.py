"""One agent job: from its dispatch to its last word."""
