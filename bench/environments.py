"""The interpreters that drivers run in, with the other drivers installed.

Each is a virtual environment below the build folder, made once and again when the requirements
change. Nothing is installed where this project is developed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
BUILD = TOP / "build" / "bench"

_ASK = """
import importlib.metadata, json, platform
found = {}
for name in %r:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps([platform.python_implementation(), platform.python_version(), found]))
"""


class EnvironmentFailedError(Exception):
    """An environment could not be made; the message says by which command, and what it said."""


class Interpreter:
    """One that works, and what is installed in it.

    Raises EnvironmentFailedError if it does not work.
    """

    def __init__(self, python: Path) -> None:
        self.python = python
        answer = _run([str(python), "-c", _ASK % (packages(),)])
        self.implementation: str
        #: By the name of the distribution, without those that are not there.
        self.packages: dict[str, str]
        self.implementation, self.version, self.packages = json.loads(answer)


def packages() -> list[str]:
    """The distributions that requirements.txt names."""
    lines = REQUIREMENTS.read_text("utf-8").splitlines()
    named = [line.partition("==")[0] for line in lines if line and not line.startswith("#")]
    return [name.partition("[")[0].strip() for name in named]


def prepared(python: str) -> Interpreter:
    """An environment of `python` with the requirements; made, if it is not there yet.

    Raises EnvironmentFailedError.
    """
    base = Interpreter(_path(python))
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + str(base.python).encode()).hexdigest()
    folder = BUILD / f"{base.implementation.lower()}-{base.version}"
    stamp = folder / "requirements.sha256"
    made = folder / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != wanted:
        _run([str(base.python), "-m", "venv", "--clear", str(folder)])
        install = [str(made), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*install, "--requirement", str(REQUIREMENTS)])
        stamp.write_text(wanted)
    return Interpreter(made)


def draw(result: Path, picture: Path, python: Path) -> None:
    """Have `bench.picture` draw a result; this interpreter need not have matplotlib.

    Raises EnvironmentFailedError if `python` has not, or if there is nothing to draw.
    """
    _run([str(python), "-m", "bench.picture", str(result), str(picture)])


def as_it_is(python: str) -> Interpreter:
    """`python` with what is installed in it. Raises EnvironmentFailedError."""
    return Interpreter(_path(python))


def _path(python: str) -> Path:
    found = shutil.which(python)
    if found is None:
        raise EnvironmentFailedError(f"{python}: there is no such program")
    return Path(found).absolute()  # not resolved, which would lead out of an environment


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    except OSError as error:
        raise EnvironmentFailedError(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise EnvironmentFailedError(f"{' '.join(command)}: {said}")
    return done.stdout
