"""Shared by all command lines: flags that are settings, exit codes, tables, progress."""
