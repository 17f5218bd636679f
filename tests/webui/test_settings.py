"""Settings come from the environment, and a wrong one is named."""

from pathlib import Path

import pytest

from webui.settings import Settings, SettingsError

PORTS = [each.variable for each in Settings.describe() if each.variable.endswith("_PORT")]


def test_defaults_are_as_they_are_described() -> None:
    described = {setting.variable: setting.default for setting in Settings.describe()}
    assert Settings.from_environment(described) == Settings.from_environment({}) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("WEBUI_PORT", "65535", 65535),
        ("ALLOWED_HOSTS", "Zoo.example,10.0.0.1,[::1]", ("zoo.example", "10.0.0.1", "[::1]")),
        ("PROXIES", "2", 2),
        ("TORCHSERVE_RUN_DIRECTORY", "/somewhere/else", Path("/somewhere/else")),
        ("MODEL_NAME", "Zoo-2.1_b", "Zoo-2.1_b"),
        ("MAX_UPLOAD_BYTES", "1", 1),
        ("MAX_PICTURES", "9999", 9999),
        ("RATE_LIMIT", "5/second; 100 per 2 hours", "5/second; 100 per 2 hours"),
        ("RATE_LIMIT", "unlimited", "unlimited"),
        ("TORCHSERVE_TIMEOUT_SECONDS", "0.5", 0.5),
        ("WEBUI_TEACH", "1", True),
    ],
)
def test_environment_overrides_defaults(variable: str, text: str, value: object) -> None:
    settings = Settings.from_environment({variable: text, "UNRELATED": "x"})
    assert getattr(settings, variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *((port, "65536") for port in PORTS),
        *(("WEBUI_PORT", value) for value in ("0", "-1", "", "http", "80.0", "٣", "9" * 5000)),
        *(("MAX_UPLOAD_BYTES", value) for value in ("0", "16 MB", "1e6")),
        ("MAX_FORM_BYTES", "0"),
        *(("MAX_PICTURES", value) for value in ("0", "10000")),
        *(("RATE_LIMIT", value) for value in ("", " ", "0", "5", "no", "Unlimited", "unlimited ")),
        *(("RATE_LIMIT", value) for value in ("5 per fortnight", "-5 per minute", "5 minutes")),
        *(("RATE_LIMIT", value) for value in ("0 per minute", "5/second; 0/day", "5/second, x")),
        *(("TORCHSERVE_TIMEOUT_SECONDS", value) for value in ("0", "0.0", "-1", "", "nan", "inf")),
        *(("MODEL_NAME", value) for value in ("", "a/b", "../x", "-x", "a?b", "a b", "zoo\n")),
        ("WEBUI_HOST", ""),
        *(("WEBUI_TEACH", value) for value in ("", "2", "yes")),
        ("TEACH_DIRECTORY", " "),
        *(("ALLOWED_HOSTS", value) for value in ("", ",", "a,", "a b", "a:80", "http://a", "*")),
        *(("PROXIES", value) for value in ("-1", "10", "")),
        ("TORCHSERVE_RUN_DIRECTORY", " "),
        ("MODEL_STORE", ""),
        *(("METRICS_HOST", value) for value in ("", "::1")),
        *(("LOG_FORMAT", value) for value in ("", "JSON", "xml")),
    ],
)
def test_wrong_value_is_refused_in_one_line_that_names_the_variable(
    variable: str, value: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({variable: value})
    assert str(raised.value).startswith(f"{variable} must ")
    assert str(raised.value).splitlines() == [str(raised.value)]
