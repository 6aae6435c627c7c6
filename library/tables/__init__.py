"""A rebuild of the inventory table: a second table beside the live one, compared, switched to, dropped."""
