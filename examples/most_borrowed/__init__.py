"""Example: a view in memory, computed again at every start. It ranks titles by their loans."""
