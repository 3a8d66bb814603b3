"""What `make` calls: set-up, and running the processes of one host."""
