"""The table rebuilt by ours, Kafka Streams and stock Faust in turn."""
