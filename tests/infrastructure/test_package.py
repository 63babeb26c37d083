"""`python -m infrastructure.package` on the smallest application, and the package it makes."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infrastructure import package_zip
from infrastructure.package import main
from infrastructure.package_templates import PackagingError
from tests.infrastructure.sample_app import FUNCTIONS, write_sample_app

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_MACHINE = Path(__file__).with_name("sample_machine.asl.json")
# Their traces would be a hundred thousand a month, more than AWS gives away, of runs that found nothing.
EACH_MINUTE = {"DispatchQueue", "SweepPods"}
# cfn-lint's rule and why it does not apply to us.
IGNORED_CHECKS = {
    "E3601": "its schema refuses JSONata expressions in TimeoutSeconds, which the service takes"
}
CALL = re.compile(r"boto3\.client\(\s*\"([a-z0-9-]+)\"")


def build(folder: Path, *, functions: tuple[str, ...] = FUNCTIONS) -> Path:
    app = folder / "app"
    if not app.exists():
        write_sample_app(app, functions)
    arguments = ["--out", str(folder / "out"), "--work", str(ROOT / "build" / "packaging-tests")]
    arguments += ["--backend", str(app), "--state-machine", str(SAMPLE_MACHINE)]
    assert main(arguments) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def template(package: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((package / "sam.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(package / "deployment.zip") as archive:
        archive.extractall(folder)
    return folder


def run_isolated(unpacked: Path, code: str) -> str:
    """What `code` prints in an interpreter that sees the standard library and the package, nothing else."""
    prelude = f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
    base = Path(sys.base_prefix) / "bin" / "python3.11"
    result = subprocess.run(
        [base, "-I", "-S", "-c", prelude + code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_the_templates_pass_cfn_lint(package: Path) -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    templates = [str(package / "sam.json"), str(package / "site.json")]
    command = [str(linter), "--ignore-checks", *IGNORED_CHECKS, "--", *templates]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    # The pattern of an empty default for a certificate is the one warning: no domain, no certificate.
    findings = [line for line in result.stdout.splitlines() if re.match(r"[EW]\d{4}", line)]
    assert [line for line in findings if not line.startswith("W1030 {'Ref': 'CertificateArn'}")] == []


def test_every_function_runs_the_same_code_on_python_311_for_x86(template: dict[str, Any]) -> None:
    functions = {
        name: entry["Properties"]
        for name, entry in template["Resources"].items()
        if entry["Type"] == "AWS::Serverless::Function"
    }
    assert set(functions) == {"APIHandler", *FUNCTIONS}
    for name, properties in functions.items():
        assert properties["Runtime"] == "python3.11", name
        assert properties["Architectures"] == ["x86_64"], name
        assert properties["CodeUri"] == "./deployment.zip", name
        assert properties["Tracing"] == ("PassThrough" if name in EACH_MINUTE else "Active"), name
    assert functions["ValidateDataset"]["Timeout"] == 900
    assert functions["ValidateDataset"]["MemorySize"] == 1024
    assert functions["APIHandler"]["Timeout"] <= 29, "API Gateway waits no longer"


def test_the_template_fits_what_cloudformation_takes_and_has_the_outputs(
    package: Path, template: dict[str, Any]
) -> None:
    assert (package / "sam.json").stat().st_size < 1_000_000
    assert {"ApiUrl", "ApiId", "BucketName", "StateMachineArn", "UserPoolId", "UserPoolClientId"} <= set(
        template["Outputs"]
    )


def test_the_zip_is_small_and_carries_only_what_runs(package: Path) -> None:
    assert (package / "deployment.zip").stat().st_size <= 25_000_000
    with zipfile.ZipFile(package / "deployment.zip") as archive:
        names = archive.namelist()
    assert len(names) == len(set(names))
    services = {name.split("/")[2] for name in names if re.match(r"botocore/data/[^/]+/", name)}
    assert services <= set(package_zip.SERVICES)
    assert not [name for name in names if "/tests/" in name or name.startswith(("pip/", "setuptools/"))]
    assert "app.py" in names
    assert "chalicelib/__pycache__/functions.cpython-311.pyc" in names


def test_everything_the_application_needs_loads_from_the_package_alone(unpacked: Path) -> None:
    code = """
import app, apsw, boto3, cryptography.hazmat.primitives.asymmetric.rsa, httpx, jwt, pydantic, pynamodb.models
import aws_lambda_powertools, aws_lambda_powertools.utilities.idempotency
for service in %r:
    boto3.client(service, region_name="us-east-1")
connection = apsw.Connection(":memory:")
connection.execute("create virtual table t using fts5(words)")
print(app.app.app_name, all(m.__file__.startswith(sys.path[0]) for m in (apsw, boto3, pydantic, app)))
""" % (package_zip.SERVICES,)  # noqa: UP031  (braces of the code would need doubling)
    assert run_isolated(unpacked, code).strip() == "lora-pipeline True"


def test_native_modules_load_on_the_run_times_glibc(unpacked: Path) -> None:
    too_new = {}
    for library in unpacked.rglob("*.so"):
        versions = {int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)\b", library.read_bytes())}
        if versions and max(versions) > 26:
            too_new[library.name] = max(versions)
    assert list(unpacked.rglob("*.so"))
    assert too_new == {}


def test_every_aws_client_of_the_application_is_in_the_package() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "backend").rglob("*.py"))
    asked = set(CALL.findall(sources))
    assert asked, "the application talks to AWS somewhere"
    assert asked <= set(package_zip.SERVICES)


@pytest.mark.slow
def test_packaging_again_gives_the_same_bytes_and_an_unchanged_input_none_at_all(tmp_path: Path) -> None:
    out = build(tmp_path)
    first = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.glob("[!.]*")}
    written = (out / "deployment.zip").stat().st_mtime_ns
    build(tmp_path)
    assert (out / "deployment.zip").stat().st_mtime_ns == written, "nothing changed, so nothing is written"
    (out / ".stamp").unlink()
    build(tmp_path)
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.glob("[!.]*")} == first
    (tmp_path / "app" / "chalicelib" / "extra.py").write_text("WORD = 'new'\n")
    build(tmp_path)
    assert hashlib.sha256((out / "deployment.zip").read_bytes()).hexdigest() != first["deployment.zip"]


def test_a_missing_function_is_named_and_fails_the_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sample_app(tmp_path / "app", [name for name in FUNCTIONS if name != "SweepPods"])
    work = str(ROOT / "build" / "packaging-tests")
    arguments = ["--out", str(tmp_path / "out"), "--work", work, "--backend", str(tmp_path / "app")]
    assert main([*arguments, "--state-machine", str(SAMPLE_MACHINE)]) == 1
    assert "SweepPods" in capsys.readouterr().err
    assert not (tmp_path / "out" / "sam.json").exists()


def test_a_package_that_grew_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_zip, "MAX_ZIP_BYTES", 100)
    with pytest.raises(PackagingError, match="at most 100"):
        package_zip.write_zip(tmp_path / "deployment.zip", [("a.txt", bytes(range(256)))])
    assert not list(tmp_path.iterdir())


def test_a_version_without_a_wheel_for_the_platform_fails_with_its_name(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("apsw==3.54.1.0\n")
    with pytest.raises(PackagingError, match=r"apsw==3\.54\.1\.0"):
        package_zip.install_dependencies(requirements, tmp_path / "target")


LINE = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?==(\S+)\s+# (.+)$", re.MULTILINE)


def test_the_package_carries_the_versions_that_are_tested() -> None:
    tested = {n.lower(): v for n, v, _ in LINE.findall((ROOT / "backend" / "requirements.txt").read_text())}
    lock = (ROOT / "infrastructure" / "lambda_requirements.txt").read_text()
    carried = {name.lower(): (version, reason) for name, version, reason in LINE.findall(lock)}
    assert set(tested) - set(carried) == {"chalice"}
    differing = {name for name, version in tested.items() if name in carried and carried[name][0] != version}
    assert all("glibc" in carried[name][1] for name in differing), differing
