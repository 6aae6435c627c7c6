"""The contract between the services: Avro schemas and their ids, events, rows, topics, a reader."""
