"""Example: a second projection of the library's events, the open loans of each borrower.

docs/projections.md explains it.
"""
