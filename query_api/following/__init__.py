"""Reads both topics from Kafka into the replica."""
