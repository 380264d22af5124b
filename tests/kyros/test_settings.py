"""Settings from the environment: valid values are used, invalid ones are refused with one line."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from itertools import pairwise
from unittest.mock import patch

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from kyros import connection_urls, embedded_cache
from tests.run.service import clean_environment

pytestmark = pytest.mark.engine_neutral

KEY = "k" * 32


def run(*command, **variables):
    return subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=clean_environment({"SECRET_KEY": KEY, **variables}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def load(**variables):
    """Return all settings of a process with `variables`."""
    environment = clean_environment({"SECRET_KEY": KEY, **variables})
    with patch.dict(os.environ, environment, clear=True):
        return runpy.run_path(str(settings.BASE_DIR / "kyros" / "settings.py"))


def loaded(*names, **variables):
    """Return the named settings of a process with `variables`, as JSON types."""
    found = load(**variables)
    values = json.loads(json.dumps([found[name] for name in names], default=str))
    return values if len(names) > 1 else values[0]


def refusal(**variables):
    """Return the one-line error of the settings with `variables`."""
    with pytest.raises(ImproperlyConfigured) as refused:
        load(**variables)
    (line,) = str(refused.value).splitlines()
    return line


TTL = "a whole number of seconds from 1 to 31536000"
MINUTES = "a whole number of minutes from 1 to 525600"
DAYS = "a whole number of days from 1 to 36500"
POOL = "a whole number of connections from 0 to 1000"
PORT = "a whole number from 1 to 65535"
NETWORKS = "comma separated, each an IP address or a network like 10.0.0.0/8"
USERNAME = "1 to 150 of A-Z, a-z, 0-9, @ . + - and _"
BOOLEAN = "true, yes, on, 1 or false, no, off, 0"
DATABASE = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME"
CACHE = (
    "redis://USER:PASSWORD@HOST:PORT/DB, rediss://…, unix:///SOCKET?db=DB, "
    "redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/SERVICE/DB, rediss+sentinel://…, or none"
)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *(
            (f"CACHE_TTL_{family}", "abc", TTL)
            for family in ("JOB_COUNTS", "JOB_LIST", "USER_AUTH", "EVENTS")
        ),
        ("CACHE_TTL_TASK_LIST", "0", TTL),
        ("CACHE_TTL_USER_LIST", "-1", TTL),
        ("CACHE_TTL_EVENTS", "1.5", TTL),
        ("CACHE_TTL_EVENTS", "9" * 5000, TTL),
        ("CACHE_PREFIX", "a:b", "1 to 32 letters, digits, - and _"),
        ("PORT", "0", PORT),
        ("PORT", "65536", PORT),
        ("PORT", "٨٠٠٠", PORT),
        ("STREAM_PORT", "0", PORT),
        ("REDIS_PORT", "0", PORT),
        ("REDIS_DB", "x", "a whole number from 0 to 15"),
        ("REDIS_HOST", "http://x", "a host name or IP address"),
        ("REDIS_URL", "http://localhost", CACHE),
        ("REDIS_URL", "localhost:6379", CACHE),
        ("REDIS_URL", "redis://localhost:0/0", CACHE),
        ("REDIS_URL", "redis://localhost:99999/0", CACHE),
        ("REDIS_URL", "redis://localhost/first", CACHE),
        ("REDIS_URL", "unix://", CACHE),
        ("REDIS_URL", "redis+sentinel://s1:1,s2:2", CACHE),
        ("REDIS_URL", "redis+sentinel://s1:0/group", CACHE),
        ("REDIS_URL", "redis+sentinel://s1:1,:2/group", CACHE),
        ("REDIS_URL", "rediss+sentinel://s1/group/first", CACHE),
        ("REDIS_URL", "redis://localhost/0?socket_timeout=abc", CACHE),
        ("REDIS_URL", "redis://localhost/0?socket_timeout=-1", CACHE),
        ("REDIS_URL", "redis://localhost/0?socket_connect_timeout=nan", CACHE),
        ("REDIS_URL", "redis://localhost/0?decode_responses=1", CACHE),
        ("REDIS_URL", "redis://localhost/0?credential_provider=x", CACHE),
        ("REDIS_URL", "redis://localhost/0?foo=bar", CACHE),
        ("REDIS_URL", "redis://localhost/0?protocol=9", CACHE),
        ("REDIS_URL", "rediss://localhost/0?ssl_cert_reqs=foo", CACHE),
        ("REDIS_URL", "unix:///socket?db=0&foo=bar", CACHE),
        ("REDIS_URL", "redis+sentinel://s1/group?foo=bar", CACHE),
        ("REDIS_URL", "rediss+sentinel://s1/group?socket_timeout=abc", CACHE),
        ("DATABASE_URL", "mysql://localhost/kyros", DATABASE),
        ("DATABASE_URL", "postgresql://localhost/kyros?foo=bar", DATABASE),
        ("DATABASE_URL", "sqlite://:memory:", DATABASE),
        ("DATABASE_URL", "sqlite:///", DATABASE),
        ("DATABASE_URL", "postgresql://localhost", DATABASE),
        ("DATABASE_URL", "postgresql://localhost:port/kyros", DATABASE),
        (
            "DATABASE_REPLICA_URLS",
            "sqlite:///x",
            "comma separated, each postgresql://USER:PASSWORD@HOST:PORT/NAME",
        ),
        (
            "DATABASE_REPLICA_URLS",
            "postgresql://db1/kyros,postgresql://db2/kyros?foo=bar",
            "comma separated, each postgresql://USER:PASSWORD@HOST:PORT/NAME",
        ),
        ("DB_POOL_MIN_SIZE", "-1", POOL),
        ("DB_POOL_MIN_SIZE", "11", "at most DB_POOL_MAX_SIZE, which is 10"),
        ("DB_POOL_MAX_SIZE", "1e3", POOL),
        ("DB_POOL_TIMEOUT", "0", "a whole number of seconds from 1 to 3600"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", NETWORKS),
        ("TRUSTED_PROXIES", "10.0.0.0/33", NETWORKS),
        ("TRUSTED_PROXIES", "proxy", NETWORKS),
        ("JWT_ACCESS_MINUTES", "0", MINUTES),
        ("JWT_REFRESH_MINUTES", "soon", MINUTES),
        ("EVENT_RETENTION_DAYS", "0", DAYS),
        ("JOB_RETENTION_DAYS", "90d", DAYS),
        ("DEBUG", "maybe", BOOLEAN),
        ("SQL_ECHO", "2", BOOLEAN),
        ("HTTPS_ONLY", "https", BOOLEAN),
        ("PARTITION_EVENTS_BY", "year", "day, week, month"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("HOST", "http://localhost", "a host name or IP address"),
        ("WEB_WORKERS", "0", "a whole number from 1 to 256"),
        ("DEMO_JOBS", "-5", "a whole number of jobs from 0 to 100000000"),
        ("DEMO_WORKERS", "65", "a whole number of workers from 0 to 64"),
        ("KYROS_ADMIN_USERNAME", "a b", USERNAME),
        ("KYROS_ADMIN_USERNAME", "ä", USERNAME),
        ("KYROS_ADMIN_USERNAME", "a" * 151, USERNAME),
        (
            "ALLOWED_HOSTS",
            "https://kyros.example",
            "comma separated, each a host name without scheme or port",
        ),
        (
            "CSRF_TRUSTED_ORIGINS",
            "kyros.example",
            "comma separated, each http(s)://HOST or http(s)://HOST:PORT",
        ),
        ("CORS_ALLOWED_ORIGINS", "*", "comma separated, each http(s)://HOST or http(s)://HOST:PORT"),
    ],
)
def test_invalid_value_is_refused_with_variable_value_and_what_is_allowed(name, value, allowed):
    line = refusal(**{name: value})
    assert line.startswith(f"{name}='{value[:100]}")
    assert line.endswith(f"allowed: {allowed}")


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("SECRET_KEY", "hunter2", "hunter2"),
        ("DATABASE_URL", "mysql://me:hunter2@localhost/kyros", "hunter2"),
        ("DATABASE_URL", "postgresql://me:hun/ter@2@localhost/kyros", "ter"),
        ("DATABASE_URL", "postgresql://localhost:x/kyros?password=hunter2", "hunter2"),
        ("REDIS_URL", "redis://:hunter2@localhost:0/0", "hunter2"),
        ("REDIS_URL", "redis://localhost:0/0?password=hunter2", "hunter2"),
    ],
)
def test_error_message_shows_no_secret(name, value, secret):
    line = refusal(**{name: value})
    assert line.startswith(name)
    assert secret not in line


def test_admin_password_does_not_stay_in_the_environment():
    with patch.dict(os.environ, {"SECRET_KEY": KEY, "KYROS_ADMIN_PASSWORD": "hunter2"}):
        assert runpy.run_path(str(settings.BASE_DIR / "kyros" / "settings.py"))["KYROS_ADMIN_PASSWORD"]
        assert "KYROS_ADMIN_PASSWORD" not in os.environ


@pytest.mark.slow
def test_every_program_prints_the_same_line():
    expected = "kyros: PORT='0' cannot be used; allowed: a whole number from 1 to 65535"
    for program in ("manage.py help", "manage.py check", "-m kyros.run", "-m kyros.web_server"):
        result = run(*program.split(), PORT="0")
        assert result.returncode == 1
        assert expected in result.stderr.splitlines()
        assert "Traceback" not in result.stdout + result.stderr


def test_secret_key_is_required(tmp_path):
    assert "SECRET_KEY is not set; allowed: at least 32 bytes" in refusal(
        SECRET_KEY="", KYROS_DATA_DIR=tmp_path
    )


def test_secret_key_file_is_used_unless_it_is_too_short(tmp_path):
    file = tmp_path / "secret_key"
    file.write_text(f"{KEY}kept\n")
    assert loaded("SECRET_KEY", SECRET_KEY="", KYROS_DATA_DIR=tmp_path) == f"{KEY}kept"
    file.write_text("short")
    assert f"{file} holds 5 bytes; allowed: at least 32 bytes" in refusal(
        SECRET_KEY="", KYROS_DATA_DIR=tmp_path
    )


def test_debug_mode_creates_a_new_secret_key_for_each_process(tmp_path):
    variables = {"SECRET_KEY": "", "DEBUG": "on", "KYROS_DATA_DIR": tmp_path}
    assert loaded("SECRET_KEY", **variables) != loaded("SECRET_KEY", **variables)


@pytest.mark.parametrize("value", ["1", "on", "TRUE", "Yes"])
def test_boolean_is_true(value):
    assert loaded("DEBUG", DEBUG=value) is True


@pytest.mark.parametrize("value", ["0", "off", "FALSE", "No", "", "  "])
def test_boolean_is_false(value):
    assert loaded("DEBUG", DEBUG=value) is False


@pytest.mark.parametrize("value", ["none", "None", "NONE"])
def test_redis_url_none_turns_the_cache_off(value):
    assert loaded("CACHE_ENABLED", "CACHE_URL", "CACHE_CONFIGURED", REDIS_URL=value) == [False, None, True]


SECONDS = connection_urls.CACHE_TIMEOUT_SECONDS
TIMEOUTS = f"socket_timeout={SECONDS}&socket_connect_timeout={SECONDS}"


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, f"redis://localhost:6379/0?{TIMEOUTS}"),
        ({"REDIS_URL": "redis://h:1/2", "REDIS_HOST": "other"}, f"redis://h:1/2?{TIMEOUTS}"),
        ({"REDIS_URL": "unix:///a%20b/s?db=3"}, f"unix:///a%20b/s?db=3&{TIMEOUTS}"),
        (
            {"REDIS_URL": "rediss://h?socket_timeout=2"},
            f"rediss://h?socket_timeout=2&socket_connect_timeout={SECONDS}",
        ),
        (
            {"REDIS_HOST": "::1", "REDIS_PORT": "7", "REDIS_DB": "3", "REDIS_PASSWORD": "p/@s?"},
            f"redis://:p%2F%40s%3F@[::1]:7/3?{TIMEOUTS}",
        ),
    ],
)
def test_cache_url_includes_the_timeouts(variables, url):
    assert loaded("CACHE_URL", **variables) == url


@pytest.mark.parametrize(
    "url",
    [
        "redis://h/1?socket_timeout=0.5&max_connections=4&client_name=kyros",
        "rediss://h/1?ssl_ca_certs=/missing/ca.pem&ssl_cert_reqs=none",
        "unix:///socket?db=3&socket_connect_timeout=1",
        "rediss+sentinel://s1,s2/group/3?sentinel_username=u&sentinel_password=s&ssl_ca_certs=/ca.pem",
    ],
)
def test_known_parameters_of_the_cache_are_accepted(url):
    assert loaded("CACHE_URL", REDIS_URL=url).startswith(url.partition("?")[0])


def test_known_parameters_of_postgresql_are_accepted():
    query = "sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=9&prepare_threshold=5&assume_role=kyros"
    options = loaded("DATABASES", DATABASE_URL=f"postgresql://h/kyros?{query}")["default"]["OPTIONS"]
    assert (options["connect_timeout"], options["assume_role"]) == (9, "kyros")


def test_embedded_cache_is_used_only_while_its_launcher_runs(tmp_path):
    file, url = tmp_path / "cache.url", "unix:///a/b.sock?db=0"
    with embedded_cache.published(tmp_path, url):
        assert file.stat().st_mode & 0o777 == 0o600
        assert loaded("CACHE_URL", "CACHE_CONFIGURED", KYROS_DATA_DIR=tmp_path) == [
            f"{url}&{TIMEOUTS}",
            False,
        ]
        assert "redis://h:1/0" in loaded("CACHE_URL", KYROS_DATA_DIR=tmp_path, REDIS_URL="redis://h:1/0")
        left = file.read_text()
    assert not file.exists()
    with subprocess.Popen(["true"]) as ended:
        pass
    file.write_text(left.replace(f"{os.getpid()} ", f"{ended.pid} "))
    assert "localhost" in loaded("CACHE_URL", KYROS_DATA_DIR=tmp_path)


def test_postgresql_gets_a_pool_that_can_be_turned_off():
    url = "postgresql://me:p%40ss@db:5433/kyros?sslmode=require"
    database = loaded("DATABASES", DATABASE_URL=url)["default"]
    options = database["OPTIONS"]
    assert (database["PASSWORD"], database["PORT"], options["sslmode"]) == ("p@ss", 5433, "require")
    assert options["pool"] == {"min_size": 2, "max_size": 10, "timeout": 5, "reconnect_timeout": 2}
    assert database["CONN_MAX_AGE"] == 0
    off = loaded("DATABASES", DATABASE_URL=url, DB_POOL_MAX_SIZE="0")["default"]
    assert off["OPTIONS"]["pool"] is False


def test_each_replica_is_a_database():
    replicas = "postgresql://db1/kyros, postgresql://db2/kyros"
    aliases, databases = loaded("DATABASE_REPLICAS", "DATABASES", DATABASE_REPLICA_URLS=replicas)
    assert aliases == ["replica1", "replica2"]
    assert [databases[alias]["HOST"] for alias in aliases] == ["db1", "db2"]


def test_relative_paths_start_at_the_project_folder(tmp_path):
    databases, folder = loaded(
        "DATABASES", "KYROS_DATA_DIR", DATABASE_URL="sqlite:///x.db", KYROS_DATA_DIR="data"
    )
    assert databases["default"]["NAME"] == str(settings.BASE_DIR / "x.db")
    assert folder == str(settings.BASE_DIR / "data")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("192.168.0.7", "192.168.0.7"),
        ("jobs.local", "jobs.local"),
        ("::1", "[::1]"),
        ("2001:DB8::07", "[2001:db8::7]"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
@pytest.mark.parametrize("others", ["", "jobs.example.org"])
def test_host_is_an_allowed_host_as_clients_send_it(host, allowed, others):
    hosts = loaded("ALLOWED_HOSTS", HOST=host, ALLOWED_HOSTS=others)
    assert hosts.count(allowed) == 1
    assert set(hosts) == {allowed, *(others.split() or settings.LOCAL_HOSTS)}


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
def test_wildcard_is_no_allowed_host(wildcard):
    assert loaded("ALLOWED_HOSTS", HOST=wildcard, ALLOWED_HOSTS="jobs.example.org") == ["jobs.example.org"]


def test_trusted_proxies_are_addresses_and_networks():
    proxies = loaded("TRUSTED_PROXIES", TRUSTED_PROXIES="10.0.0.0/8, ::1,")
    assert proxies == ["10.0.0.0/8", "::1/128"]


@pytest.fixture
def project(tmp_path):
    """A copy of the settings and what they import, for which tests can write a `.env`."""
    folder = tmp_path / "project"
    for package in ("kyros", "monitoring"):
        shutil.copytree(
            settings.BASE_DIR / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return folder


def env_file(project, text, **variables):
    """Run a process that prints its port and log level, with `text` in `.env`."""
    (project / ".env").write_text(text, encoding="utf-8")
    names = {"SECRET_KEY": KEY, **variables}
    environment = {name: value for name, value in clean_environment({}).items() if value}
    return subprocess.run(
        [sys.executable, "-c", "from kyros import settings as s; print(s.PORT, s.LOG_LEVEL)"],
        cwd=project,
        env={**environment, **names},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_env_file_is_read_and_the_environment_wins(project):
    text = '# a comment\n\nPORT=8123\nexport LOG_LEVEL="error"\n'
    assert env_file(project, text).stdout.split() == ["8123", "ERROR"]
    assert env_file(project, text, PORT="9000").stdout.split() == ["9000", "ERROR"]
    assert env_file(project, text, LOG_LEVEL="").stdout.split() == ["8123", "INFO"]


@pytest.mark.slow
def test_invalid_line_of_the_env_file_is_refused_without_showing_it(project):
    result = env_file(project, "PORT=8123\nhunter2 my secret\n")
    assert result.returncode
    assert f"{project / '.env'}, line 2" in result.stderr
    assert "hunter2" not in result.stderr


def test_env_example_describes_every_variable_of_the_settings_and_no_other():
    lines = (settings.BASE_DIR / ".env.example").read_text(encoding="utf-8").splitlines()
    named = [
        (before, found[1]) for before, line in pairwise(lines) if (found := re.match(r"#([A-Z_]+)=", line))
    ]
    assert sorted(name for _, name in named) == sorted(settings.ENVIRONMENT_VARIABLES)
    assert all(before.startswith("# ") for before, _ in named)


def test_env_example_shows_the_defaults():
    text = (settings.BASE_DIR / ".env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^#([A-Z_]+)=(.+)$", text, re.MULTILINE))
    names = [name for name in sorted(shown) if name != "KYROS_DATA_DIR" and not name.startswith("REDIS_")]
    assert loaded(*names) == loaded(*names, **{name: shown[name] for name in names})


@pytest.mark.slow
def test_deployment_checks_pass_with_https_only():
    result = run(
        "manage.py",
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        HTTPS_ONLY="on",
        REDIS_URL="none",
        SECRET_KEY="k0-" * 5 + "qwertzuiopasdfghjklyxcvbnm0123456789QWERTZ",
    )
    assert not result.returncode, result.stderr


def test_the_stream_has_the_next_port_or_its_own():
    assert loaded("STREAM_PORT") == 8001
    assert loaded("STREAM_PORT", PORT="9000") == 9001
    assert loaded("STREAM_PORT", PORT="65535") == 65534
    assert loaded("STREAM_PORT", STREAM_PORT="9100") == 9100
    assert refusal(STREAM_PORT="8000") == "STREAM_PORT='8000' cannot be used; allowed: another port than PORT"


def test_a_url_of_sentinels_is_taken_apart():
    url = "rediss+sentinel://kyros:p%40s@s1,s2:7/group/3?sentinel_password=s&ssl_ca_certs=/ca.pem"
    group = connection_urls.sentinels(url)
    assert group
    assert group.nodes == (("s1", 26379), ("s2", 7))
    assert (group.service, group.username, group.password) == ("group", None, "s")
    assert group.server_url == "rediss://kyros:p%40s@group/3?ssl_ca_certs=%2Fca.pem"
    broker = connection_urls.broker_url(url)
    assert broker == "sentinel://kyros:p%40s@s1:26379/3;sentinel://kyros:p%40s@s2:7/3"
    tls = {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"}
    assert connection_urls.broker_tls(url) == tls
    options = connection_urls.broker_options(url)
    assert options["master_name"] == "group"
    assert options["sentinel_kwargs"] == {"username": None, "password": "s", "ssl": True, **tls}


def test_the_broker_verifies_the_certificate_of_a_single_server():
    assert connection_urls.broker_tls("rediss://h") == {"ssl_cert_reqs": "required"}
    assert connection_urls.broker_tls("redis://h") == connection_urls.broker_options("redis://h") == {}
