"""The embedded Kafka broker: its jars, its Java, its configuration and the command that runs it."""
