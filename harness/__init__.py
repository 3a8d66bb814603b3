"""A whole Bodh on free ports and learners who talk to it, for tests and benchmarks."""
