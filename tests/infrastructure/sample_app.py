"""The smallest application that the templates fit: every function by name, one route."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FUNCTIONS = (
    "ProvisionPod",
    "AwaitStage",
    "PollPod",
    "PrepareRecovery",
    "TerminatePod",
    "CollectArtifacts",
    "SettleJob",
    "DispatchQueue",
    "SweepPods",
    "RefreshCatalog",
    "SettleBills",
    "RebuildJobsIndex",
    "ExpireUploads",
    "ValidateDataset",
)

APP = """
from chalice import Chalice
from chalicelib.functions import bp

app = Chalice(app_name="lora-pipeline")
app.register_blueprint(bp)


@app.route("/api/health")
def health():
    return {"success": True, "data": {"status": "ok"}}
"""

FUNCTION = """

@bp.lambda_function(name="%s")
def %s(event, context):
    return {"event": event}
"""


def write_sample_app(folder: Path, functions: Sequence[str] = FUNCTIONS) -> Path:
    """A Chalice project in `folder`, which is returned."""
    library = folder / "chalicelib"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("")
    body = "".join(FUNCTION % (name, name.lower()) for name in functions)
    (library / "functions.py").write_text(
        f"from chalice import Blueprint\n\nbp = Blueprint(__name__)\n{body}"
    )
    (folder / "app.py").write_text(APP)
    return folder
