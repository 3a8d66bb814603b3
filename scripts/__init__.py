"""Set-up and process running for one host: what `make` calls."""
