"""Settings: where they come from, what is refused, and that each is documented."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ioc.errors import SettingsError
from ioc.settings import PROJECT, Settings, as_markdown


def test_defaults_stand_without_any_statement(tmp_path: Path) -> None:
    settings = Settings.load({}, folder=tmp_path)
    assert (settings.port, settings.province, settings.broker) == (8050, "binh_duong", "embedded")
    assert settings.data == (Path.cwd() / "data").resolve()
    assert settings.store == f"sqlite:///{settings.data}/ioc.db"
    assert settings.public_url == "http://127.0.0.1:8050"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "ioc.toml").write_text('port = 9001\nprovince = "binh_phuoc"\n')
    settings = Settings.load({"IOC_PORT": "9002"}, folder=tmp_path)
    assert (settings.port, settings.province) == (9002, "binh_phuoc")


def test_a_named_file_is_read_instead_of_the_one_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "ioc.toml").write_text("port = 9001\n")
    (tmp_path / "other.toml").write_text("port = 9003\n")
    assert Settings.load({"IOC_CONFIG": str(tmp_path / "other.toml")}, folder=tmp_path).port == 9003


def test_settings_are_immutable() -> None:
    with pytest.raises(ValidationError):
        Settings.load({}).port = 1


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"IOC_PROT": "1"}, ["IOC_PROT", "IOC_PORT"]),
        ({"IOC_QQQQQQQQQ": "1"}, ["IOC_QQQQQQQQQ", "docs/settings.md"]),
        ({"IOC_PORT": "99999"}, ["IOC_PORT", "99999", "65535"]),
        ({"IOC_PORT": "eight"}, ["IOC_PORT", "eight"]),
        ({"IOC_BROKER": "rabbit://h:1"}, ["IOC_BROKER", "kafka://"]),
        ({"IOC_PROVINCE": "../etc"}, ["IOC_PROVINCE", "../etc"]),
        ({"IOC_PUBLIC_URL": "http://h/path"}, ["IOC_PUBLIC_URL", "without a path"]),
        ({"IOC_PRODUCTION": "true", "IOC_ALLOW_SIMULATED": "true"}, ["allow_simulated", "production"]),
        ({"IOC_KEEP_10S": "30"}, ["keep_10s", "keep_1m"]),
        ({"IOC_MAX_BODY_BYTES": "65536"}, ["max_message_bytes", "max_body_bytes"]),
        ({"IOC_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, ["SASL_SSL", "kafka_username"]),
        ({"IOC_OPENID_ISSUER": "http://id.example.vn"}, ["IOC_OPENID_ISSUER", "http://id.example.vn", "https://"]),
        ({"IOC_OPENID_ISSUER": "https://u:p@id.example.vn"}, ["IOC_OPENID_ISSUER", "without a user"]),
        ({"IOC_OPENID_ISSUER": "https://[1/"}, ["IOC_OPENID_ISSUER", "URL"]),
        ({"IOC_OPENID_ISSUER": "https://id.example.vn"}, ["openid_issuer", "openid_client_id"]),
        (
            {"IOC_OPENID_ISSUER": "https://id", "IOC_OPENID_CLIENT_ID": "c", "IOC_OPENID_CLIENT_SECRET": "short"},
            ["openid_client_secret", "16"],
        ),
        ({"IOC_CONFIG": "/nonexistent/ioc.toml"}, ["IOC_CONFIG", "/nonexistent/ioc.toml"]),
    ],
)
def test_what_is_wrong_is_named_by_key_and_value(environ: dict[str, str], words: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(environ)
    message = str(refused.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_a_wrong_key_in_the_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "ioc.toml").write_text("prot = 9001\n")
    with pytest.raises(SettingsError, match=r"prot .*ioc\.toml.* did you mean port"):
        Settings.load({}, folder=tmp_path)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ioc.toml").write_text("port = \n")
    with pytest.raises(SettingsError, match=r"ioc\.toml is not valid TOML"):
        Settings.load({}, folder=tmp_path)


def test_no_error_shows_a_password() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load({"IOC_STORE": "mysql://ioc:hunter2@db/ioc"})
    assert "hunter2" not in str(refused.value)
    assert "IOC_STORE" in str(refused.value)


@pytest.mark.parametrize("secret", ["kafka_password", "openid_client_secret"])
def test_a_secret_is_shown_nowhere_but_to_child_programs(tmp_path: Path, secret: str) -> None:
    (tmp_path / "ioc.toml").write_text(f"{secret} = 1234567\n")
    with pytest.raises(SettingsError) as refused:
        Settings.load({}, folder=tmp_path)
    assert secret in str(refused.value)
    assert "1234567" not in str(refused.value)
    settings = Settings.load({f"IOC_{secret.upper()}": "hunter2"})
    assert "hunter2" not in repr(settings)
    assert settings.environ()[f"IOC_{secret.upper()}"] == "hunter2"


def test_production_refuses_simulated_data_by_default() -> None:
    assert Settings.load({}).allow_simulated
    assert not Settings.load({"IOC_PRODUCTION": "true"}).allow_simulated


def test_a_child_program_gets_the_same_settings(tmp_path: Path) -> None:
    (tmp_path / "ioc.toml").write_text('port = 9001\nproduction = true\nstore = "postgresql://u:p@h/d"\n')
    settings = Settings.load({"IOC_DATA": str(tmp_path / "d")}, folder=tmp_path)
    assert Settings.load(settings.environ(), folder=tmp_path / "elsewhere") == settings


def test_the_tests_own_variables_are_no_settings() -> None:
    Settings.load({"IOC_TEST_DATA": "x", "IOC_TEST_REQUIRE": "chromium", "IOC_PROVE": "1"})


def test_each_setting_has_unit_reason_and_a_line_in_the_documentation() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert isinstance(field.json_schema_extra, dict), name
        assert field.json_schema_extra["unit"], name
    written = (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == as_markdown(), "run: python -m ioc.settings > docs/settings.md"


@pytest.mark.parametrize("name", ["kafka_password", "openid_client_secret", "store"])
def test_a_secret_may_stand_in_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("sqlite:///một bí mật dài\n")
    variable = f"IOC_{name.upper()}"
    settings = Settings.load({f"{variable}_FILE": str(tmp_path / "secret")}, folder=tmp_path)
    assert settings.environ()[variable] == "sqlite:///một bí mật dài"
    again = {f"{variable}_FILE": str(tmp_path / "secret"), **settings.environ()}
    assert Settings.load(again, folder=tmp_path) == settings  # as a child program is given it


def test_a_file_of_a_secret_that_is_wrong_is_refused_and_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2hunter2")
    named = {"IOC_KAFKA_PASSWORD_FILE": str(tmp_path / "secret")}
    with pytest.raises(SettingsError, match="state one of them") as refused:
        Settings.load({**named, "IOC_KAFKA_PASSWORD": "hunter3hunter3"}, folder=tmp_path)
    assert "hunter" not in str(refused.value)
    with pytest.raises(SettingsError, match=r"IOC_KAFKA_PASSWORD_FILE names .*No such file"):
        Settings.load({"IOC_KAFKA_PASSWORD_FILE": str(tmp_path / "absent")}, folder=tmp_path)
    with pytest.raises(SettingsError, match="There is no setting IOC_PORT_FILE"):
        Settings.load({"IOC_PORT_FILE": str(tmp_path / "secret")}, folder=tmp_path)
