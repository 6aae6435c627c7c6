"""Reads by our API, beside Kafka Streams' interactive queries and nginx."""
