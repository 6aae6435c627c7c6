"""The commands of the command line that change one title, and the one that runs the gateway."""
