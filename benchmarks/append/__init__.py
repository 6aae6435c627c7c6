"""Writes by HTTP, import and single commands, beside a peer."""
