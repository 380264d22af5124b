"""Benchmarks of the service next to other ways to build it: `make bench`."""
