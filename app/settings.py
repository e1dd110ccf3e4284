"""Configuration, from the environment and from a `.env` file beside the process."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

EXAMPLES = {
    "DATABASE_URL": "postgresql://app_api:…@db.example/hearth",
    "DATABASE_PASSWORD_FILE": "/run/secrets/api_password",
    "REPLICA_URL": "postgresql://app_api:…@replica.example/hearth",
    "REPLICA_PASSWORD_FILE": "/run/secrets/api_password",
    "DIRECT_URL": "postgresql://hearth_deployer:…@db.example/hearth",
    "DIRECT_PASSWORD_FILE": "/run/secrets/deployer_password",
    "DATABASE_POOLER": "none, transaction or prepared",
    "POOL_MIN_SIZE": "2",
    "POOL_MAX_SIZE": "10",
    "CORS_ORIGINS": "https://home.example,https://app.example",
    "ENVIRONMENT": "development or production",
    "JWT_SECRET": "the output of: openssl rand -hex 32",
    "JWKS_URL": "https://login.example/.well-known/jwks.json",
    "JWT_ISSUER": "https://login.example/",
    "JWT_AUDIENCE": "hearth",
    "LOG_LEVEL": "info",
    "UUIDV7": "auto or off",
    "DEBUG": "true or false",
}


UrlName: TypeAlias = Literal["database_url", "direct_url", "replica_url"]


class SettingsError(Exception):
    """The configuration cannot be used; one line a variable, each with what is wrong."""


def sql_directory() -> Path:
    """Find `sql/`: beside the package in a checkout, inside it in an installed wheel."""
    packaged = Path(__file__).parent / "_sql"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "sql"


class Settings(BaseSettings):
    """Everything that can be configured; each field is the environment variable of its name.

    Durations are seconds unless the name says otherwise. Secrets are never shown.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    environment: Literal["development", "production"] = "development"
    debug: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    database_url: SecretStr | None = None
    database_password_file: Path | None = None
    replica_url: SecretStr | None = None
    replica_password_file: Path | None = None
    direct_url: SecretStr | None = None
    direct_password_file: Path | None = None
    database_pooler: Literal["none", "transaction", "prepared"] = "none"
    pool_min_size: int = Field(default=2, ge=0, le=1000)
    pool_max_size: int = Field(default=10, ge=1, le=1000)
    pool_max_waiting: int = Field(default=2000, ge=1, le=100_000)
    pool_acquire_timeout: float = Field(default=5.0, gt=0, le=300)
    pool_connection_max_idle: float = Field(default=300.0, gt=0)
    pool_connection_max_age: float = Field(default=1800.0, ge=1)
    connect_timeout: float = Field(default=30.0, ge=0, le=3600)
    statement_timeout_ms: int | None = Field(default=None, ge=1, le=3_600_000)
    lock_timeout_ms: int | None = Field(default=None, ge=1, le=3_600_000)
    idle_in_transaction_timeout_ms: int | None = Field(default=None, ge=1, le=3_600_000)
    uuidv7: Literal["auto", "off"] = "auto"

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=256)
    operator_host: str = "127.0.0.1"
    operator_port: int | None = Field(default=None, ge=1, le=65535)
    forwarded_allow_ips: str = "127.0.0.1,::1"
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ("http://localhost:3000",)
    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    request_timeout: float = Field(default=15.0, gt=0, le=300)
    drain_delay: float = Field(default=0.0, ge=0, le=300)

    jwt_secret: SecretStr | None = None
    jwt_issuer: str = "hearth"
    jwt_audience: str = "hearth"
    jwks_url: str | None = None
    access_token_minutes: int = Field(default=15, ge=1, le=1440)
    refresh_token_days: int = Field(default=30, ge=1, le=365)
    sign_in_rate_limit: int = Field(default=10, ge=1, le=1_000_000)
    sign_up_rate_limit: int = Field(default=20, ge=1, le=1_000_000)

    @field_validator("database_url", "replica_url", "direct_url")
    @classmethod
    def _is_a_postgresql_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        # As a file or a variable may end: in a newline.
        value = SecretStr(value.get_secret_value().strip())
        if re.search(r"[\s\0]", value.get_secret_value()):
            raise ValueError("has a blank in it; write %20")
        try:
            parts = urlsplit(value.get_secret_value())
            # Several hosts may be tried in turn, each with a port of its own.
            for host in parts.netloc.rpartition("@")[2].split(","):
                _ = urlsplit(f"//{host}").port
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme not in {"postgresql", "postgres"}:
            raise ValueError("must begin with postgresql://")
        if parts.netloc.count("@") > 1:
            raise ValueError("has a bare @ in its password; write %40")
        if not parts.path.strip("/"):
            raise ValueError("names no database")
        return value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins_are_separated_by_commas(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if origin != f"{parts.scheme}://{parts.netloc}" or not parts.netloc:
                raise ValueError(f"{origin!r} is not an origin: scheme and host, no path")
        return value

    @field_validator("jwt_secret")
    @classmethod
    def _secret_is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        # RFC 7518, 3.2: a key for HS256 has at least as many bits as its hash.
        if value is not None and len(value.get_secret_value().encode()) < 32:
            raise ValueError("must have at least 32 bytes")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.pool_min_size > self.pool_max_size:
            raise ValueError("POOL_MIN_SIZE is larger than POOL_MAX_SIZE")
        for url, file, name in (
            (self.database_url, self.database_password_file, "DATABASE"),
            (self.replica_url, self.replica_password_file, "REPLICA"),
            (self.direct_url, self.direct_password_file, "DIRECT"),
        ):
            if url is not None and file is not None and _has_password(url.get_secret_value()):
                raise ValueError(f"{name}_PASSWORD_FILE: {name}_URL has a password already")
        if self.environment == "production":
            if self.debug:
                raise ValueError("DEBUG must be off in production")
            if any("//localhost" in origin or origin == "*" for origin in self.cors_origins):
                raise ValueError("CORS_ORIGINS must name the real origins in production")
            if self.jwks_url is not None and not self.jwks_url.startswith("https://"):
                raise ValueError("JWKS_URL must begin with https:// in production")
        return self

    @property
    def access_token_lifetime(self) -> timedelta:
        """How long an access token is valid."""
        return timedelta(minutes=self.access_token_minutes)

    @property
    def refresh_token_lifetime(self) -> timedelta:
        """How long a session lasts without being refreshed."""
        return timedelta(days=self.refresh_token_days)

    def require(self, name: UrlName | Literal["jwt_secret"]) -> str:
        """Return a secret setting as text; a URL with its password, as the file has it now.

        Raises:
            SettingsError: It is not set, or the file cannot be read.
        """
        value: SecretStr | None = getattr(self, name)
        if value is None:
            variable = name.upper()
            raise SettingsError(f"{variable}: is not set (for example: {EXAMPLES[variable]})")
        file: Path | None = getattr(self, name.replace("_url", "_password_file"), None)
        if name == "jwt_secret" or file is None:
            return value.get_secret_value()
        url = value.get_secret_value().partition("#")[0]
        password = quote(_read_password(name.replace("_url", "_password_file").upper(), file), "")
        return f"{url}{'&' if '?' in url else '?'}password={password}"


def _has_password(url: str) -> bool:
    parts = urlsplit(url)
    given = (pair.partition("=")[0] for pair in parts.query.split("&"))
    return parts.password is not None or "password" in given


def _read_password(variable: str, file: Path) -> str:
    try:
        lines = file.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}: {file} is not UTF-8") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise SettingsError(f"{variable}: {file} cannot be read ({why})") from None
    if len(lines) != 1 or not lines[0]:
        raise SettingsError(f"{variable}: {file} must have one line, the password")
    return lines[0]


def load(**overrides: object) -> Settings:
    """Read the settings; `overrides` win over the environment.

    Raises:
        SettingsError: A variable is wrong; the message names it, without its value, and gives an
            example.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except UnicodeDecodeError:
        raise SettingsError(".env: is not UTF-8") from None
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(item) for item in error.errors())) from None


def _sentence(item: object) -> str:
    assert isinstance(item, dict)  # noqa: S101 - pydantic's own shape
    message = str(item["msg"]).removeprefix("Value error, ")
    if not item["loc"]:
        return message
    variable = str(item["loc"][0]).upper()
    message = message[0].lower() + message[1:]
    example = f" (for example: {EXAMPLES[variable]})" if variable in EXAMPLES else ""
    return f"{variable}: {message}{example}"
