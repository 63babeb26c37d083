"""`python -m infrastructure.package` writes build/package/{sam.json,site.json,deployment.zip}.

Chalice writes the functions and the API; the fragments beside this file add everything else. Nothing is built
when no input has changed since the last time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from infrastructure.package_site import site_template
from infrastructure.package_templates import PackagingError, check, merge_template, read_json, tidy
from infrastructure.package_zip import files_of, install_dependencies, unpack_application, write_zip

ROOT = Path(__file__).resolve().parents[1]
STAGE = "live"
# Only needed because Chalice insists on one; the template holds no region.
ANY_REGION = "us-east-1"
OUTPUTS = ("sam.json", "site.json", "deployment.zip")


def build(root: Path, out: Path, work: Path, backend: Path, state_machine: Path) -> None:
    """Build the package. PackagingError says what is wrong."""
    infrastructure = root / "infrastructure"
    out.mkdir(parents=True, exist_ok=True)
    dependencies = work / "dependencies"
    install_dependencies(infrastructure / "lambda_requirements.txt", dependencies)
    project = _stage(backend, work / "project")
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    merged = work / "merge.json"
    merged.write_text(json.dumps(merge_template(infrastructure, state_machine, version)), encoding="utf-8")
    packaged = work / "chalice"
    _chalice_package(project, merged, packaged)
    template = read_json(packaged / "sam.json")
    check(template)
    _write_json(out / "sam.json", tidy(template))
    _write_json(out / "site.json", tidy(site_template(root)))
    application = unpack_application(packaged / "deployment.zip", work / "application")
    write_zip(out / "deployment.zip", [*files_of(dependencies), *files_of(application)])


def _stage(backend: Path, project: Path) -> Path:
    """A copy of the application without requirements: Chalice would download them at each change."""
    if not (backend / "app.py").exists():
        raise PackagingError(f"{backend / 'app.py'} is missing, and the package needs it.")
    shutil.rmtree(project, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "deployments", "deployed")
    shutil.copytree(backend / "chalicelib", project / "chalicelib", ignore=ignored)
    shutil.copytree(ROOT / "backend" / ".chalice", project / ".chalice", ignore=ignored)
    shutil.copy(backend / "app.py", project / "app.py")
    (project / "requirements.txt").write_text("", encoding="utf-8")
    return project


def _chalice_package(project: Path, merged: Path, packaged: Path) -> None:
    shutil.rmtree(packaged, ignore_errors=True)
    command = [str(Path(sys.executable).with_name("chalice")), "--project-dir", str(project), "package"]
    command += ["--stage", STAGE, "--merge-template", str(merged), str(packaged)]
    environment = {**os.environ, "AWS_DEFAULT_REGION": ANY_REGION, "PYTHONDONTWRITEBYTECODE": "1"}
    # The staged copy is what runs, not a checkout that happens to be on the path.
    environment.pop("PYTHONPATH", None)
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise PackagingError(f"Chalice could not package the application:\n{result.stderr.strip()}")


def _write_json(path: Path, document: object) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


def fingerprint(root: Path, backend: Path, state_machine: Path) -> str:
    """A hash of every input's path and content."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(_inputs(root, backend, state_machine)):
        digest.update(f"{path}\0".encode())
        digest.update(path.read_bytes() if path.exists() else b"absent")
    return digest.hexdigest()


def _inputs(root: Path, backend: Path, state_machine: Path) -> Iterator[Path]:
    yield from (path for path in (backend / "chalicelib").rglob("*.py"))
    yield from (root / "backend" / ".chalice").glob("*.json")
    yield from (root / "infrastructure").glob("*.json")
    yield from (root / "infrastructure").glob("package*.py")
    yield root / "infrastructure" / "lambda_requirements.txt"
    yield from (root / "frontend_static" / "routes.json", root / "frontend_static" / "security_headers.json")
    yield from (backend / "app.py", root / "pyproject.toml", state_machine)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build unless nothing changed; 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "package")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "packaging")
    parser.add_argument("--backend", type=Path, default=ROOT / "backend")
    parser.add_argument(
        "--state-machine", type=Path, default=ROOT / "step_functions" / "training_job.asl.json"
    )
    chosen = parser.parse_args(arguments)
    out, work, backend = (path.resolve() for path in (chosen.out, chosen.work, chosen.backend))
    state_machine = chosen.state_machine.resolve()
    stamp = out / ".stamp"
    wanted = fingerprint(ROOT, backend, state_machine)
    complete = all((out / name).exists() for name in OUTPUTS)
    if complete and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return 0
    work.mkdir(parents=True, exist_ok=True)
    try:
        build(ROOT, out, work, backend, state_machine)
    except PackagingError as error:
        print(error, file=sys.stderr)
        return 1
    stamp.write_text(wanted, encoding="utf-8")
    print(f"{out / 'deployment.zip'}: {(out / 'deployment.zip').stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
