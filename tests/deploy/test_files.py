"""The deployment files parse, and name only what exists."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from tests.servers.web import procfile

pytestmark = pytest.mark.engine_neutral

PROJECT = settings.BASE_DIR
DEPLOY = PROJECT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
NGINX = sorted(DEPLOY.rglob("nginx*.conf")) + sorted((DEPLOY / "nginx").glob("*.conf"))
COMPOSE = DEPLOY / "compose" / "compose.yml"
#: Where the units expect the project.
HOME = "/srv/kyros"


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def services() -> dict[str, dict[str, object]]:
    return yaml.safe_load(text_of(COMPOSE))["services"]


def commands() -> Iterator[tuple[str, str]]:
    """Return where each process of the service is started, and its command line."""
    for unit in UNITS:
        for command in re.findall(r"(?m)^Exec\w+=(.*kyros.*)$", text_of(unit)):
            yield unit.name, command.replace(f"{HOME}/.venv/bin/", "")
    for name, service in services().items():
        if "build" in service:
            command = service["command"]
            yield name, command if isinstance(command, str) else " ".join(map(str, command))


def unknown_names(command: str) -> set[str]:
    """Return the modules and management commands in a command line that do not exist."""
    modules = set(re.findall(r"python -m ([\w.]+)", command)) | set(re.findall(r"--app (\w+)", command))
    unknown = {module for module in modules if util.find_spec(module) is None}
    return unknown | (set(re.findall(r"manage\.py (\w+)", command)) - set(get_commands()))


def test_every_process_of_the_procfile_has_a_unit_and_a_container():
    units, containers = (
        {name: command for name, command in commands() if name.endswith(".service") == kind}
        for kind in (True, False)
    )
    for process in ("web", "stream", "relay", "worker"):
        program = re.sub(r"^exec ", "", procfile(process)).split(" --")[0]
        assert program in units[f"kyros-{process}.service"], process
        assert program in containers[process], process


def test_every_command_exists():
    assert len(list(commands())) > 8
    assert {where: unknown_names(command) for where, command in commands() if unknown_names(command)} == {}


def test_systemd_accepts_the_units(tmp_path: Path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    for file in sorted((DEPLOY / "systemd").iterdir()):
        # The programs are not where the units expect them.
        text = re.sub(rf"{HOME}/\.venv/bin/\w+", "/bin/true", text_of(file))
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in result.stderr.splitlines() if "kyros" in line]
    assert (result.returncode, complaints) == (0, [])


def test_the_target_starts_every_unit():
    (wants,) = re.findall(r"(?m)^Wants=(.+)$", text_of(DEPLOY / "systemd" / "kyros.target"))
    assert sorted(wants.split()) == [unit.name for unit in UNITS]


def test_the_units_do_not_differ_in_what_protects_the_machine():
    def protection(unit: Path) -> list[str]:
        lines = text_of(unit).splitlines()
        return [line for line in lines if not re.match(r"Description=|ExecStart|#", line)]

    assert len({tuple(protection(unit)) for unit in UNITS}) == 1


def nginx_program() -> str:
    return shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin") or pytest.skip(
        "nginx is not installed"
    )


@pytest.mark.parametrize("name", ["nginx/kyros.conf", "compose/nginx.conf"])
def test_nginx_accepts_the_configuration(name: str, tmp_path: Path):
    program = nginx_program()
    replaced = {
        "/etc/nginx/kyros-locations.conf": str(DEPLOY / "nginx" / "kyros-locations.conf"),
        "/etc/ssl/kyros/fullchain.pem": str(tmp_path / "certificate.pem"),
        "/etc/ssl/kyros/privkey.pem": str(tmp_path / "key.pem"),
        "/var/log/nginx/": f"{tmp_path}/",
        "server web:": "server 127.0.0.1:",
        "server stream:": "server 127.0.0.1:",
        " 443 ": " 44300 ",
        "listen 80;": "listen 8088;",
    }
    text = text_of(DEPLOY / name)
    for path, other in replaced.items():
        text = text.replace(path, other)
    (tmp_path / "site.conf").write_text(text, encoding="utf-8")
    make_certificate(tmp_path)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = " ".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    site = f"http {{ access_log off; {folders} include {tmp_path}/site.conf; }}"
    main = f"pid {tmp_path}/pid; error_log stderr; events {{}} {site}"
    (tmp_path / "nginx.conf").write_text(main, encoding="utf-8")
    command = [program, "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf", "-e", "stderr"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def make_certificate(folder: Path) -> None:
    key = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    subprocess.run(["openssl", *key, *files], check=True, capture_output=True)


def test_nginx_sends_each_path_to_the_process_that_serves_it():
    locations = text_of(DEPLOY / "nginx" / "kyros-locations.conf")
    blocks = dict(re.findall(r"(?ms)^location ([^{]+) \{\n(.*?)^\}", locations))
    stream = blocks["= /api/v1/events/stream/"]
    assert "proxy_pass http://kyros_stream;" in stream
    assert "proxy_buffering off;" in stream
    assert "proxy_pass http://kyros_web;" in blocks["/"]
    assert "proxy_request_buffering on;" in blocks["/"]
    assert settings.STATIC_URL not in blocks, "nginx may not read the data folder"
    for name in ("nginx/kyros.conf", "compose/nginx.conf"):
        assert set(re.findall(r"upstream (\w+)", text_of(DEPLOY / name))) == {"kyros_web", "kyros_stream"}


def test_the_example_of_the_settings_names_settings_and_can_be_read():
    lines = [line for line in text_of(DEPLOY / "kyros.env.example").splitlines() if line[:1].isalpha()]
    values = dict(line.split("=", 1) for line in lines)
    assert set(values) <= settings.ENVIRONMENT_VARIABLES
    code = "from django.conf import settings; settings.SECRET_KEY; print(settings.HTTPS_ONLY)"
    kept = {name: os.environ[name] for name in ("PATH",)}
    env = {**kept, **values, "DJANGO_SETTINGS_MODULE": "kyros.settings"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert result.stdout == "True\n", result.stderr


def test_what_a_container_must_not_lose_is_in_a_volume():
    volumes = {name: " ".join(map(str, service.get("volumes", []))) for name, service in services().items()}
    assert "archive:/srv/kyros/var/archive" in volumes["worker"]
    for name in ("web", "migrate"):
        assert "static:/srv/kyros/var/static" in volumes[name]


def test_the_metrics_of_running_processes_outlive_a_restart_of_the_web_server(tmp_path: Path):
    (command,) = re.findall(
        r"(?m)^ExecStartPre=/bin/sh -c '(.+)'$", text_of(DEPLOY / "systemd" / "kyros-web.service")
    )
    kept, removed = tmp_path / f"counter_{os.getpid()}.db", tmp_path / "gauge_liveall_99999999.db"
    for file in (kept, removed):
        file.touch()
    script = command.replace("/var/lib/kyros/metrics", str(tmp_path))
    script = script.replace("$$", "$").replace("%%", "%")  # as systemd does
    subprocess.run(["/bin/sh", "-c", script], check=True)
    assert list(tmp_path.iterdir()) == [kept]


def test_the_units_write_to_the_data_folder_only():
    (folder,) = re.findall(r"(?m)^KYROS_DATA_DIR=(.+)$", text_of(DEPLOY / "kyros.env.example"))
    assert not folder.startswith(HOME), "a new version takes the place of the old one there"
    for unit in UNITS:
        assert re.findall(r"(?m)^ReadWritePaths=(.+)$", text_of(unit)) == [folder]


def test_the_containers_are_made_of_files_and_settings_that_exist():
    for source in re.findall(r"(?m)^COPY (\S+) ", text_of(DEPLOY / "compose" / "Dockerfile")):
        assert (PROJECT / source).exists(), source
    for name, service in services().items():
        if "build" in service:
            assert set(service["environment"]) <= settings.ENVIRONMENT_VARIABLES, name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (COMPOSE.parent / source).exists(), volume
        for other in service.get("depends_on", []):
            assert other in services(), other
    build = services()["web"]["build"]
    assert (COMPOSE.parent / build["context"] / build["dockerfile"]).exists()
