"""Example: another domain on the same engine, the stock of a warehouse; see docs/your-own-domain.md."""
