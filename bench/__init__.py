"""Benchmarks: figures of a running Bodh, reported and never asserted."""
