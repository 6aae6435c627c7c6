"""The inventory table on Faust as it comes: one record at a time. ``python -m benchmarks.faust_stock``."""
