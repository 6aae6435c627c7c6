"""Topics, groups, offsets and records as an operator handles them."""
