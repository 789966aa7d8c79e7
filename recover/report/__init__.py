"""The second reader of a journal: what a run did and saw, for humans and machines."""
