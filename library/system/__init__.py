"""The whole system on one machine: started, supervised, stopped."""
