"""Configuration: what is wrong stops the start with a line that names the variable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import EXAMPLES, Settings, SettingsError, load

pytestmark = pytest.mark.newest

URL = "postgresql://app_api:swordfish@db.example/hearth"


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("DATABASE_URL", "mysql://u:swordfish@h/d", "must begin with postgresql://"),
        ("DATABASE_URL", "postgresql://u:swordfish@h", "names no database"),
        ("DATABASE_URL", "postgresql://u:swordfish@h:port/d", "is not a URL"),
        ("DATABASE_URL", "postgresql://u:p@swordfish@h/d", "has a bare @ in its password"),
        ("REPLICA_URL", "mysql://u:swordfish@h/d", "must begin with postgresql://"),
        ("REPLICA_URL", "postgresql://u:swordfish@h", "names no database"),
        ("DIRECT_URL", "postgresql://u:sword fish@h/d", "has a blank in it"),
        ("DATABASE_URL", "postgresql://u:swordfish@h/d\npostgresql://", "has a blank in it"),
        ("DIRECT_URL", "u:swordfish@h/d", "must begin with postgresql://"),
        ("DATABASE_POOLER", "swordfish", "input should be 'none', 'transaction' or 'prepared'"),
        ("POOL_MAX_SIZE", "0", "greater than or equal to 1"),
        ("POOL_MAX_SIZE", "many", "valid integer"),
        ("POOL_ACQUIRE_TIMEOUT", "-1", "greater than 0"),
        ("STATEMENT_TIMEOUT_MS", "0", "greater than or equal to 1"),
        ("PORT", "65536", "less than or equal to 65535"),
        ("CORS_ORIGINS", "https://a.example/path", "is not an origin"),
        ("CORS_ORIGINS", "a.example", "is not an origin"),
        ("JWT_SECRET", "swordfish", "at least 32 bytes"),
        ("ACCESS_TOKEN_MINUTES", "0", "greater than or equal to 1"),
        ("ENVIRONMENT", "prod", "input should be 'development' or 'production'"),
        ("LOG_LEVEL", "loud", "input should be"),
        ("UUIDV7", "on", "input should be 'auto' or 'off'"),
        ("DEBUG", "perhaps", "valid boolean"),
    ],
)
def test_a_wrong_value_is_told_by_variable_and_reason_and_never_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, why: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as caught:
        load()

    message = str(caught.value)
    assert message.startswith(f"{variable}: ")
    assert why in message
    assert "swordfish" not in message
    assert "\n" not in message
    if variable in EXAMPLES:
        assert f"(for example: {EXAMPLES[variable]})" in message


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DIRECT_URL"])
def test_a_url_may_end_in_a_newline(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, " postgresql://u:p@h/d\n")

    found = getattr(load(), variable.lower())

    assert found.get_secret_value() == "postgresql://u:p@h/d"


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"POOL_MIN_SIZE": "11"}, "POOL_MIN_SIZE is larger than POOL_MAX_SIZE"),
        ({"ENVIRONMENT": "production"}, "CORS_ORIGINS must name the real origins"),
        (
            {"ENVIRONMENT": "production", "CORS_ORIGINS": "https://a.example", "DEBUG": "true"},
            "DEBUG must be off in production",
        ),
        (
            {
                "ENVIRONMENT": "production",
                "CORS_ORIGINS": "https://a.example",
                "JWKS_URL": "http://login.example/keys",
            },
            "JWKS_URL must begin with https://",
        ),
    ],
)
def test_values_that_do_not_fit_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], why: str
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError, match=why):
        load()


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setenv("DEBUG", "perhaps")

    with pytest.raises(SettingsError) as caught:
        load()

    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["DEBUG", "PORT"]


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example, http://localhost:5173")

    assert load().cors_origins == ("https://a.example", "http://localhost:5173")


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")

    assert load().database_url is None


def test_a_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"DATABASE_URL={URL}\nPORT=8001\n")
    monkeypatch.setenv("PORT", "8002")

    settings = load()

    assert settings.require("database_url") == URL
    assert settings.port == 8002


def test_settings_never_show_a_secret() -> None:
    settings = Settings(database_url=URL, jwt_secret="swordfish" * 4)

    assert "swordfish" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["status"], ["psql"]])
def test_the_command_line_says_it_in_one_line_without_a_traceback(
    command: list[str], tmp_path: Path
) -> None:
    environment = {**os.environ, "DATABASE_POOLER": "swordfish", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "hearth: DATABASE_POOLER: input should be 'none', 'transaction' or 'prepared'"
        " (for example: none, transaction or prepared)\n"
    )
