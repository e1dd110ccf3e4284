"""Hearth's endpoints in FastAPI and SQLAlchemy."""
