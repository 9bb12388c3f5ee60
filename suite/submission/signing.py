"""Signs a bundle with what is there: minisign (https://jedisct1.github.io/minisign/), or Sigstore (https://www.sigstore.dev)."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from suite.errors import UsageError

MINISIGN, SIGSTORE = ".minisig", ".sigstore.json"


def command(bundle: Path) -> tuple[list[str], Path]:
    """What signs it, and the file that it makes beside it. Raises UsageError if neither is there."""
    if tool := shutil.which("minisign"):
        return [tool, "-S", "-m", str(bundle)], bundle.with_name(bundle.name + MINISIGN)
    if importlib.util.find_spec("sigstore") is not None:
        return [sys.executable, "-m", "sigstore", "sign", str(bundle)], bundle.with_name(bundle.name + SIGSTORE)
    raise UsageError("Nothing to sign with: install minisign (apt install minisign; minisign -G makes a key), or pip install sigstore.")


def sign(bundle: Path) -> Path:
    """The signature's file, beside the bundle; the tool asks for what it needs on the terminal. Raises UsageError."""
    line, made = command(bundle)
    try:
        done = subprocess.run(line, check=False)
    except OSError as error:
        raise UsageError(f"{line[0]} cannot be started ({error.strerror}); {bundle} is written, and not signed.") from error
    if done.returncode != 0 or not made.is_file():
        raise UsageError(f"{Path(line[0]).name} did not sign; {bundle} is written, and not signed. `{' '.join(line)}` tries again.")
    return made
