"""Bringing whole catalogues in: CSV or JSON lines, sorted by partition on disk, appended in large batches."""
