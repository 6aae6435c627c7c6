"""The commands of the command line that change the inventory."""
