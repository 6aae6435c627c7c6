"""Imports of whole catalogues: CSV or JSON lines, sorted by partition on disk, appended in large batches."""
