"""``python -m benchmarks.borrowers``: what the names of a thousand to a million borrowers cost each part."""
