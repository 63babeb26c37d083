from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chalicelib.domain.dataset import Dataset, DatasetStatus, eligibility, source_key
from chalicelib.domain.dataset_upload import PART_BYTES, SINGLE_PUT_MAX_BYTES
from chalicelib.domain.job import JobStatus

from tests.backend.datasets.conftest import DANA, OTHER, World
from tests.backend.datasets.rows import chat, good, jsonl
from tests.builders import a_job
from tests.fakes import START

EXAMPLES = Path(__file__).parents[3] / "contracts/examples"
BIG = SINGLE_PUT_MAX_BYTES + 1


def keys_of(value: Any) -> Any:
    """The names in a reply, without its values; a list counts by its first entry."""
    if isinstance(value, dict):
        return {key: keys_of(inner) for key, inner in value.items()}
    return [keys_of(value[0])] if isinstance(value, list) and value else None


def example(name: str) -> Any:
    return json.loads((EXAMPLES / name).read_text())["data"]


def test_a_small_upload_is_one_signed_put_of_the_announced_size(world: World) -> None:
    made = world.announce(b"x" * 1000)
    assert set(made) == set(example("dataset_create_reply.json"))
    assert set(made["upload"]) == {"method", "url", "headers"}
    assert made["upload"]["url"].endswith("size=1000")
    assert made["dataset"]["status"] == "uploading"
    assert made["dataset"]["readiness"]["label"] == "⏳ Processing"
    assert world.audit.lines[0]["action"] == "dataset.create"


def test_a_file_that_lands_is_checked_and_shown_as_the_contract_says(world: World) -> None:
    scored = {"quality_scores": {"empathy": 5, "clarity": 5, "appropriateness": 5}, "persona": "P"}
    scored |= {"emotional_arc": "a → b", "topic": "t", "human_review": {"reviewed": True, "score": 5}}
    body = jsonl([chat(1, metadata=scored), *good()[1:], chat(3)])
    shown = world.call("GET", f"/api/datasets/{world.ready(body)}")
    assert keys_of(shown) == keys_of(example("dataset.json"))
    assert shown["status"] == "ready"
    assert shown["quality"]["label"] == "✓ High Quality"
    assert shown["readiness"] == {"label": "✓ Ready for Training", "tooltip": "All checks passed."}
    assert (shown["conversations"], shown["progress"]) == (61, None)


def test_a_bad_file_is_rejected_with_its_errors(world: World) -> None:
    shown = world.call("GET", f"/api/datasets/{world.ready(jsonl(['oops', *good(20)]))}")
    assert shown["status"] == "rejected"
    assert shown["readiness"] == {
        "label": "⚠ Review Required",
        "tooltip": "The file was rejected: 2 problems.",
    }
    assert set(shown["errors"][0]) == {"line", "field", "message", "hint"}
    assert shown["quality"] is None


@pytest.mark.parametrize(
    ("change", "field", "advice"),
    [
        ({"file_name": "a.csv"}, "file_name", "Tables are not accepted"),
        ({"file_name": "a.jsonl.gz"}, "file_name", "Unpack"),
        ({"file_name": "a.json"}, "file_name", "one JSON object per line"),
        ({"file_name": "a"}, "file_name", ".jsonl"),
        ({"file_name": "a\x00.jsonl"}, "file_name", "invisible"),
        ({"name": "  "}, "name", "Enter a name"),
        ({"name": "x" * 101}, "name", "100"),
        ({"name": "a\u202eb"}, "name", "invisible"),
        ({"name": "\ud800"}, "name", ""),
        ({"name": 5}, "name", ""),
        ({"size_bytes": 0}, "size_bytes", "empty"),
        ({"size_bytes": 2**31 + 1}, "size_bytes", "2 GB"),
        ({"size_bytes": 10**400}, "size_bytes", ""),
        ({"size_bytes": "12"}, "size_bytes", ""),
        ({"size_bytes": 1.5}, "size_bytes", ""),
        ({"key": "x"}, "key", ""),
    ],
    ids=lambda value: str(value)[:30].encode("unicode_escape").decode(),
)
def test_a_wrong_announcement_names_the_field_and_stores_nothing(
    world: World, change: dict[str, Any], field: str, advice: str
) -> None:
    asked = {"name": "Harbour", "file_name": "harbour.jsonl", "size_bytes": 10, **change}
    refused = world.call("POST", "/api/datasets", asked, status=422)
    assert advice in refused["details"][field][0]
    assert world.datasets.rows == {}


def test_a_big_upload_goes_in_parts_and_is_checked_when_complete(world: World) -> None:
    made = world.announce(b"", size_bytes=BIG)
    dataset_id, upload = made["dataset"]["id"], made["upload"]
    assert upload["part_size"] == PART_BYTES
    assert [part["number"] for part in upload["parts"]] == [1, 2, 3, 4]
    path = f"/api/datasets/{dataset_id}/upload"
    assert [part["number"] for part in world.call("POST", f"{path}/parts", {"numbers": [3, 1]})["parts"]] == [
        1,
        3,
    ]
    assert len(world.call("POST", f"{path}/parts", {})["parts"]) == 4
    world.call("POST", f"{path}/parts", {"numbers": [5]}, status=422)
    upload_id = next(iter(world.files.uploads))
    pieces = [jsonl(good()), jsonl(good(10)), b"\n", b"\n"]
    parts = [
        {"number": n, "etag": world.files.put_part(upload_id, n, piece)} for n, piece in enumerate(pieces, 1)
    ]
    refused = world.call("POST", f"{path}/complete", {"parts": parts[:3]}, status=422)
    assert refused["details"]["parts"] == ["This upload has parts 1 to 4. Missing: 4."]
    world.call("POST", f"{path}/complete", {"parts": [*parts, parts[0]]}, status=422)
    world.call("POST", f"{path}/complete", {"parts": parts})
    world.call("POST", f"{path}/complete", {"parts": parts})
    world.arrive(dataset_id)
    shown = world.call("GET", f"/api/datasets/{dataset_id}")
    assert (shown["status"], shown["conversations"]) == ("ready", 70)
    assert "were announced" in shown["warnings"][0]["message"]


def test_completing_what_never_arrived_says_so(world: World) -> None:
    dataset_id = world.announce(b"12")["dataset"]["id"]
    refused = world.call("POST", f"/api/datasets/{dataset_id}/upload/complete", {"parts": []}, status=409)
    assert "has not arrived" in refused["error"]


def test_an_aborted_upload_leaves_nothing_behind(world: World) -> None:
    dataset_id = world.announce(b"", size_bytes=BIG)["dataset"]["id"]
    world.call("POST", f"/api/datasets/{dataset_id}/upload/abort")
    assert world.files.uploads == {}
    world.call("GET", f"/api/datasets/{dataset_id}", status=404)
    ready = world.ready()
    assert "Delete" in world.call("POST", f"/api/datasets/{ready}/upload/abort", status=409)["error"]


def test_the_list_filters_searches_and_pages(world: World) -> None:
    scores = {"quality_scores": {"empathy": 3}}
    low = world.ready(jsonl([chat(n, metadata=scores) for n in range(80)]), name="Low Tide")
    world.clock.advance(60)
    plain = world.ready(name="Harbour")
    world.clock.advance(60)
    waiting = world.announce(b"x")["dataset"]["id"]

    def ids(query: str) -> list[str]:
        return [each["id"] for each in world.call("GET", f"/api/datasets?{query}")["datasets"]]

    assert ids("") == [waiting, plain, low]
    assert ids("search=low%20t") == [low]
    assert ids("status=ready&min_conversations=&max_conversations=79") == [plain]
    assert ids("min_conversations=80") == [low]
    assert ids("min_quality=2.5&max_quality=3") == [low]
    assert ids("limit=1&page=2") == [plain]
    assert ids("page=9") == []
    listed = world.call("GET", "/api/datasets?limit=2")
    assert listed["pagination"] == {"page": 1, "limit": 2, "total": 3, "total_pages": 2}
    assert keys_of(listed["pagination"]) == keys_of(example("dataset_list.json")["pagination"])


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "page=x", "status=lost", "min_quality=nan", "min_conversations=-1"]
)
def test_a_wrong_query_is_refused_by_field(world: World, query: str) -> None:
    assert query.split("=")[0] in world.call("GET", f"/api/datasets?{query}", status=422)["details"]


def test_the_preview_shows_turns_and_which_of_them_are_trained(world: World) -> None:
    dataset_id = world.ready(b"\xef\xbb\xbf\n" + jsonl([chat(n, metadata={"n": n}) for n in range(1, 61)]))
    shown = world.call("GET", f"/api/datasets/{dataset_id}/preview?offset=58&limit=5")
    assert shown["pagination"] == {"offset": 58, "limit": 5, "total": 60}
    assert [row["line"] for row in shown["conversations"]] == [60, 61]
    assert shown["conversations"][0]["messages"] == [
        {"role": "user", "content": "Question 59?", "trained": False},
        {"role": "assistant", "content": "Answer 59.", "trained": True},
    ]
    assert shown["conversations"][0]["metadata"] == {"n": 59}
    assert keys_of(shown).keys() == keys_of(example("dataset_preview.json")).keys()


def test_the_preview_of_a_rejected_file_shows_the_rows_that_could_be_read(world: World) -> None:
    dataset_id = world.ready(jsonl([chat(1), "oops", chat(2)]))
    shown = world.call("GET", f"/api/datasets/{dataset_id}/preview?offset=1")
    assert [row["line"] for row in shown["conversations"]] == [3]


def test_the_preview_reads_no_more_of_a_big_file_than_it_shows(world: World) -> None:
    rows = good(100)
    for row in rows:
        row["messages"][1]["content"] = "long " * 20_000
    dataset_id = world.ready(jsonl(rows))
    world.files.bytes_read = 0
    shown = world.call("GET", f"/api/datasets/{dataset_id}/preview?limit=2")
    assert world.files.bytes_read < 600_000
    assert "more characters" in shown["conversations"][0]["messages"][1]["content"]


def test_the_preview_waits_for_the_check_and_names_a_lost_file(world: World) -> None:
    waiting = world.announce(b"x")["dataset"]["id"]
    assert "not enriched" in world.call("GET", f"/api/datasets/{waiting}/preview", status=409)["error"]
    dataset_id = world.ready()
    world.files.objects.clear()
    assert (
        "Storage file missing"
        in world.call("GET", f"/api/datasets/{dataset_id}/preview", status=404)["error"]
    )


def test_a_deleted_dataset_is_gone_with_its_file(world: World) -> None:
    dataset_id = world.ready()
    world.call("DELETE", f"/api/datasets/{dataset_id}")
    assert world.files.objects == {}
    assert "Training file not found" in world.call("GET", f"/api/datasets/{dataset_id}", status=404)["error"]
    world.call("DELETE", f"/api/datasets/{dataset_id}", status=404)
    assert world.call("GET", "/api/datasets")["datasets"] == []


def test_deleting_again_finishes_what_storage_left_half_done(world: World) -> None:
    dataset_id = world.ready()
    body = dict(world.files.objects)
    world.call("DELETE", f"/api/datasets/{dataset_id}")
    world.files.objects.update(body)
    world.call("DELETE", f"/api/datasets/{dataset_id}")
    assert world.files.objects == {}


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSED])
def test_a_dataset_an_active_job_reads_cannot_be_deleted(world: World, status: JobStatus) -> None:
    dataset_id = world.ready()
    job = a_job(status=status)
    job = a_job(status=status, dataset=type(job.dataset)(dataset_id, "H", "k", "a" * 64, "chat", 60, 60, 900))
    saved = world.jobs.save(job, expected=None)
    refused = world.call("DELETE", f"/api/datasets/{dataset_id}", status=409)
    assert saved.name in refused["error"]
    world.jobs.delete(saved)
    world.call("DELETE", f"/api/datasets/{dataset_id}")


def test_only_its_creator_or_a_manager_changes_a_dataset(world: World) -> None:
    dataset_id = world.announce(b"", size_bytes=BIG)["dataset"]["id"]
    world.user = OTHER
    world.call("GET", f"/api/datasets/{dataset_id}")
    for method, path in (("DELETE", ""), ("POST", "/upload/abort"), ("POST", "/upload/parts")):
        world.call(method, f"/api/datasets/{dataset_id}{path}", {}, status=403)
    world.call("POST", f"/api/datasets/{dataset_id}/upload/complete", {"parts": []}, status=403)
    world.user = DANA
    world.call("POST", f"/api/datasets/{dataset_id}/upload/abort")


@pytest.mark.parametrize(
    "odd", ["ds_", "ds_0000000000000000", "..%2F..", "%00", "ds_" + "x" * 5000, "%ED%A0%80"]
)
def test_an_odd_id_is_simply_not_found(world: World, odd: str) -> None:
    world.call("GET", f"/api/datasets/{odd}", status=404)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 5000, b'{"parts": [{"number": 1e400}]}'])
def test_an_odd_body_is_refused_politely(world: World, body: bytes) -> None:
    dataset_id = world.announce(b"", size_bytes=BIG)["dataset"]["id"]
    for path in ("/api/datasets", f"/api/datasets/{dataset_id}/upload/complete"):
        reply = world.client.http.request("POST", path, {"content-type": "application/json"}, body)
        assert reply.status_code in (400, 422), reply.json_body


def test_eligibility_says_why_a_dataset_cannot_be_trained(world: World) -> None:
    def stored(dataset_id: str) -> Dataset:
        return world.datasets.rows[dataset_id]  # type: ignore[no-any-return]

    ready, waiting = stored(world.ready()), stored(world.announce(b"x")["dataset"]["id"])
    small = stored(world.ready(jsonl(good(20))))
    assert eligibility(ready) == []
    assert eligibility(None)[0].startswith("Training file not found")
    assert eligibility(waiting)[0].startswith("Training file not enriched")
    assert eligibility(small)[0].startswith("Insufficient conversations. The dataset has 20")
    assert eligibility(ready, file_exists=False)[0].startswith("Storage file missing")
    world.call("DELETE", f"/api/datasets/{ready.id}")
    assert eligibility(stored(ready.id))[0].startswith("Training file not found")
    assert stored(ready.id).status is DatasetStatus.DELETED
    assert source_key(ready.id) == ready.key
    assert ready.created_at == START
