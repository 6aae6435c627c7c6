"""Programs to learn from: consumer groups, a projection and another domain; each has a page in docs/."""
