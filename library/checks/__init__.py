"""The checks of `library doctor` and `library verify`."""
