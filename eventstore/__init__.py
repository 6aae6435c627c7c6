"""Conditional append on Kafka, and reading what was appended."""
