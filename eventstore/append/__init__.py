"""Conditional append: claim the fence, read to the end, decide, append, commit."""
