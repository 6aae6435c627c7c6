"""The commands of `library`, one module for each command or group."""
