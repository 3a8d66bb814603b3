"""The fault harness: learners talk while parts of a running Bodh are killed at random."""
