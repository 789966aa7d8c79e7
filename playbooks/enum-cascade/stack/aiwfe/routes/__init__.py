"""The endpoints: signing in, the users' data, and what monitoring asks."""
