"""Health: a monitor that looks at the database, and the report that it keeps."""
