"""What benchmarks share: the broker, servers, loads, stores of events, and results."""
