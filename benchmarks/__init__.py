"""Benchmarks. Each runs this project and a peer in turn, prints a table and saves JSON."""
