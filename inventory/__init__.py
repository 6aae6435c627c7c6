"""The library's own logic, pure: no clock, no random, no I/O. Values in, values out."""
