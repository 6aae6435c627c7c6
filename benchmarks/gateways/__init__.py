"""Gateways that share the partitions, gateways that do not, and one that is killed."""
