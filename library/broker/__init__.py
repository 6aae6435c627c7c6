"""The embedded Kafka: jars, Java, its configuration, its process."""
