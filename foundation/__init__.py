"""Shared by all processes: settings, logs, Kafka clients, command line, HTTP. It knows no event."""
