"""The furniture of a command line: flags from settings, exit codes, tables, progress."""
