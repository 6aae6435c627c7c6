"""Faust with batches: it reads and writes transactions, and offsets follow the table. No domain in it."""
