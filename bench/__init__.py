"""Benches: `python -m bench NAME` measures one figure and prints it as one line of JSON.

Each figure is a module of `bench/figures/` and an entry of `bench/registry.py`, which also says
what was asked. Results are reported, never asserted.
"""
