"""The commands of `library`, a file for each."""
