"""Faust, fed with batches: transactions read and written, offsets that follow the table. No domain in it."""
