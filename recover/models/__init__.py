"""What the deployed code expects of the database, and where it writes around its models."""
