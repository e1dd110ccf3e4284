"""The database: who a transaction acts for, the queries, the pool, the command line's way in."""
