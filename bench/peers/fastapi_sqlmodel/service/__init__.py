"""Hearth's endpoints in FastAPI and SQLModel."""
