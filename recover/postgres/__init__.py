"""PostgreSQL: one session for reading and writing, the catalog, and the repair of enum labels."""
