"""`make new`: write every file of a new table, of the shape that most of them have."""
