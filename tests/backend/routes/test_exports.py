"""The jobs list as a file over HTTP."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from chalicelib.domain.csv_text import csv_text, harmless
from chalicelib.domain.identity import Role, User
from chalicelib.use_cases import export_jobs as exporting
from hypothesis import given
from hypothesis import strategies as st

from tests.backend.datasets.fake_files import FakeFiles
from tests.backend.identity.pool import Caller
from tests.backend.routes.site import Site, differing_keys
from tests.fakes import START
from tests.lifecycle.trainer import Trainer

EXAMPLES = Path(__file__).resolve().parents[3] / "contracts" / "examples"


def export(by: Caller, **filters: Any) -> Any:
    reply = by.call("POST", "/api/exports", {"kind": "jobs_csv", "filters": filters})
    assert reply.status == 200, reply.body
    return reply.data


def read(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content, newline="")))


def test_a_job_is_a_line_of_the_asked_columns(site: Site) -> None:
    job_id = site.started(name='Harbour, "one"', tags=["first-try", "third"])
    Trainer(site.world, job_id).through("model_loading").stage("training", "active").train(1, 7)
    data = export(site.miro)
    (line,) = read(data["content"])
    shown = site.dana.call("GET", "/api/jobs").data["jobs"][0]
    assert line == {
        "Job ID": job_id,
        "Name": 'Harbour, "one"',
        "Status": "running",
        "Preset": "balanced",
        "GPU Type": f"Spot {shown['configuration']['gpu_name']}",
        "Created By": "Dana",
        "Created At": shown["created_at"],
        "Started At": shown["started_at"],
        "Completed At": "",
        "Duration (minutes)": f"{shown['duration_seconds'] / 60:.1f}",
        "Cost ($)": shown["cost"]["spent_usd"],
        "Tags": "first-try, third",
    }
    assert (data["rows"], data["total"], data["id"], data["url"]) == (1, 1, None, None)
    assert data["size_bytes"] == len(data["content"].encode())
    assert data["file_name"].startswith("training-jobs-export-")
    example = json.loads((EXAMPLES / "export_reply.json").read_text("utf-8"))
    assert differing_keys({"success": True, "data": data}, example) == []


def test_filters_and_chosen_jobs_narrow_it(site: Site) -> None:
    draft, started = site.draft(), site.started()
    other = site.draft(preset_id="conservative")

    def ids(**filters: Any) -> set[str]:
        return {line["Job ID"] for line in read(export(site.dana, **filters)["content"])}

    assert ids() == {draft, started, other}
    assert ids(tab="draft") == {draft, other}
    assert ids(preset="conservative") == {other}
    assert ids(job_ids=[draft, started], tab="draft") == {draft}
    assert ids(search="nothing-like-it") == set()


def test_a_filter_that_makes_no_sense_is_named(site: Site) -> None:
    reply = site.dana.call("POST", "/api/exports", {"kind": "jobs_csv", "filters": {"tab": "odd"}})
    assert (reply.status, list(reply.body["details"])) == (422, ["filters.tab"])
    reply = site.dana.call("POST", "/api/exports", {"kind": "everything"})
    assert (reply.status, list(reply.body["details"])) == (422, ["kind"])


def test_a_file_too_large_for_a_reply_is_stored_and_linked_for_its_maker(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = site.draft()
    monkeypatch.setattr(exporting, "MAX_INLINE_BYTES", 100)
    data = export(site.dana)
    assert (data["content"], data["rows"]) == (None, 1)
    assert data["file_name"] in data["url"] or data["id"] in data["url"]
    (key,) = [key for key in site.world.files.objects if key.startswith("exports/")]
    (line,) = read(site.world.files.read(key, max_bytes=10_000).decode())
    assert line["Job ID"] == job_id
    again = site.dana.call("GET", f"/api/exports/{data['id']}")
    assert (again.status, again.data["size_bytes"]) == (200, data["size_bytes"])
    assert again.data["url"]
    assert site.miro.call("GET", f"/api/exports/{data['id']}").status == 404
    assert site.dana.call("GET", "/api/exports/exp_aaaaaaaaaaaaaaaa").status == 404
    assert site.dana.call("GET", "/api/exports/..%2F..%2Fjobs").status == 404


def test_ten_thousand_jobs_fit_into_what_a_function_may_answer() -> None:
    row = json.loads((EXAMPLES / "job_list.json").read_text("utf-8"))["data"]["jobs"][0]
    names = ("Élan vital", 'the "quoted" one', "plain")
    rows = [{**row, "name": f"{names[n % 3]} {n} " + "n" * 60} for n in range(10_000)]

    files = FakeFiles()
    user = User("usr_000000000001", "dana@example.com", "Dana", Role.MEMBER, START)
    made = exporting.export_jobs(
        rows, 12_345, export_id="exp_aaaaaaaaaaaaaaaa", user=user, files=files, now=START
    )
    assert files.objects == {}
    assert made.content is not None
    assert len(json.dumps(made.content)) <= 5_000_000
    assert (made.rows, made.total) == (10_000, 12_345)


FORMULAS = ('=HYPERLINK("http://x")', "+1", "-2+3", "@SUM(A1)", "  =1", "\t=1", "＝1")


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_arrives_as_text(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


def test_names_and_tags_of_jobs_are_made_harmless(site: Site) -> None:
    site.draft(name="=1+1", tags=["plain"])
    (line,) = read(export(site.dana)["content"])
    assert line["Name"] == "'=1+1"


@given(
    st.lists(
        st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00")), min_size=1, max_size=4
    )
)
def test_no_cell_begins_a_formula_and_none_is_lost(cells: list[str]) -> None:
    lines = list(csv.reader(io.StringIO(csv_text(["a"], [cells]), newline="")))
    assert [cell.removeprefix("'") for cell in lines[1]] == [cell.removeprefix("'") for cell in cells]
    assert not any(cell.lstrip(" ")[:1] in tuple("=+-@\t\r\n") for cell in lines[1] if cell.strip(" "))


def test_a_long_list_is_had_in_parts_that_make_one_file(site: Site) -> None:
    for number in range(5):
        site.draft(hyperparameters={"epochs": number + 1})
    whole = export(site.miro)["content"]

    def part(offset: int) -> Any:
        body = {"kind": "jobs_csv", "offset": offset, "limit": 2}
        return site.miro.call("POST", "/api/exports", body).data

    parts = [part(offset) for offset in (0, 2, 4)]
    assert "".join(each["content"] for each in parts) == whole
    assert [(each["rows"], each["total"]) for each in parts] == [(2, 5), (2, 5), (1, 5)]
    assert part(6)["rows"] == 0
    wrong = site.miro.call("POST", "/api/exports", {"kind": "jobs_csv", "limit": 0})
    assert (wrong.status, list(wrong.body["details"])) == (422, ["limit"])
