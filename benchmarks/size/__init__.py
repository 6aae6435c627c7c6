"""Each part on a small, a large and a very large store."""
