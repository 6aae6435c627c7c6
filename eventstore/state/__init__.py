"""What a writer knows of its partition, in memory and in a snapshot."""
