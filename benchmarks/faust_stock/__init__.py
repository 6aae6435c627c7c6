"""``python -m benchmarks.faust_stock`` is the inventory table with stock Faust, one record at a time."""
