"""Kafka into the replica."""
