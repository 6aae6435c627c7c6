"""Benchmarks: each one command that runs us and a peer in turn, prints a table and saves JSON."""
