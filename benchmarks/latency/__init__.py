"""Commands that are read back, by us and by Kafka Streams, and where their time goes."""
