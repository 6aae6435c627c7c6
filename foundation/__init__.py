"""The furniture of every process: settings, logs, Kafka clients, command line, HTTP. No event and no book."""
