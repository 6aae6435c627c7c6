"""The domain of the library, pure: commands, rules, the row's fold. No clock, no random, no I/O."""
