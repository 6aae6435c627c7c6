"""Operator's view of Kafka: offsets, consumer groups, backups, held titles and ACLs."""
