"""The contract between the rooms: schemas and ids, events, rows, keys, partitions, positions, settings."""
