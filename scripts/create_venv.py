"""Creates a virtual environment: `python3 scripts/create_venv.py FOLDER REQUIREMENTS`.

It runs before anything is installed, so it uses the standard library only.
"""

import fcntl
import hashlib
import re
import subprocess
import sys
import venv
from pathlib import Path


def fingerprint(requirements: Path) -> str:
    """Return what identifies an up-to-date environment: this Python and the contents of `requirements`."""
    digest = hashlib.sha256(requirements.read_bytes())
    for included in re.findall(r"^-r (\S+)$", requirements.read_text(encoding="utf-8"), re.MULTILINE):
        digest.update((requirements.parent / included).read_bytes())
    return f"{sys.version} {sys.base_prefix} {digest.hexdigest()}"


def install(folder: Path, requirements: Path) -> None:
    """Create the environment in `folder` from scratch; raise `CalledProcessError` if pip fails."""
    sys.stderr.write(f"installing {requirements} into {folder} …\n")
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--require-hashes", "--requirement", str(requirements)], check=True)


def main(folder: Path, requirements: Path) -> int:
    """Create the environment unless it is up to date; return the exit status."""
    # Two `make run` may start at once in a fresh checkout.
    with requirements.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "installed"
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == fingerprint(requirements):
            return 0
        if folder.is_symlink():  # its target may belong to another checkout
            sys.stderr.write(f"make: {folder} is a link to an outdated environment; remove the link\n")
            return 1
        try:
            install(folder, requirements)
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"make: the requirements could not be installed ({error})\n")
            return 1
        stamp.write_text(fingerprint(requirements), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:3])))
