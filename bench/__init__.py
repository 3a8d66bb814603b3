"""Benchmarks of a running Bodh: results are reported, never asserted."""
