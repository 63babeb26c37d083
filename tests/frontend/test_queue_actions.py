"""What a card of the queue offers: look, edit, promote, copy, be told, remove."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.frontend import flows
from tests.frontend.conftest import Opener, Site
from tests.frontend.fixture_approvals import approvals_of, ask_promotion
from tests.frontend.fixture_queue import line_of, provision, wait_in_line
from tests.frontend.fixture_world import Json
from tests.frontend.test_queue import QUEUE, card, fill_slots, look_again

pytestmark = pytest.mark.browser

WHY = "The client presents these results on Friday morning and needs two days to check every answer by hand."


def choose(page: Page, job: str, action: str) -> None:
    page.get_by_role("button", name=f"Actions for {job}", exact=True).click()
    page.get_by_role("menuitem", name=action).click()


def offers(page: Page, job: str) -> list[str]:
    page.get_by_role("button", name=f"Actions for {job}", exact=True).click()
    expect(page.get_by_role("menu")).to_be_visible()
    found = [item.inner_text().strip() for item in page.get_by_role("menuitem").all()]
    page.keyboard.press("Escape")
    return found


def test_the_menu_offers_what_can_be_done(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    jobs = wait_in_line(site.world, 3)
    jobs[2]["created_by"] = {"id": "usr_other", "name": "Miro", "email": "miro@example.com", "role": "member"}
    page = open_page(QUEUE)
    everything = [
        "View Configuration",
        "Edit Configuration",
        "Promote to Front",
        "Clone Job",
        "Notify Me When Starting",
        "Remove from Queue",
    ]
    assert offers(page, "Waiting 1") == [each for each in everything if each != "Promote to Front"]
    assert offers(page, "Waiting 2") == everything
    site.world.user["role"] = "member"
    page = open_page(QUEUE)
    assert offers(page, "Waiting 3") == ["View Configuration", "Clone Job", "Notify Me When Starting"]


def test_the_whole_configuration_is_shown(site: Site, open_page: Opener) -> None:
    wait_in_line(site.world, 2)
    page = open_page(QUEUE)
    choose(page, "Waiting 2", "View Configuration")
    dialog = page.get_by_role("dialog", name="Configuration")
    for text in (
        "Elena Morales Financial",
        "Llama 3.1 8B Instruct",
        "1x H100 PCIe 80GB",
        "0.0002",
        "q_proj, k_proj",
        "cosine",
        "2,048 tokens",
        "$4.20 – $6.02",
    ):
        expect(dialog).to_contain_text(text)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Actions for Waiting 2")).to_be_focused()


def test_a_job_is_removed_from_the_queue_in_words_of_its_own(site: Site, open_page: Opener) -> None:
    fill_slots(site)
    first, second = wait_in_line(site.world, 2)
    page = open_page(QUEUE)
    choose(page, "Waiting 1", "Remove from Queue")
    dialog = page.get_by_role("dialog", name="Remove from Queue?")
    expect(dialog).to_contain_text("No GPU is rented for this job")
    expect(dialog).to_contain_text("It has cost nothing")
    expect(dialog).not_to_contain_text("terminated")
    page.locator("#cancel-reason").select_option("wrong_configuration")
    page.locator("#cancel-understood").check()
    page.locator("#cancel-confirm").click()
    expect(card(page, first)).to_have_count(0)
    expect(card(page, second).locator(".q-pos")).to_contain_text("#1")
    assert first["status"] == "cancelling"


def test_a_copy_is_made_as_a_draft_and_opened(site: Site, open_page: Opener) -> None:
    _, job = wait_in_line(site.world, 2)
    page = open_page(QUEUE)
    choose(page, "Waiting 2", "Clone Job")
    page.wait_for_url("**/training-jobs/job_*/configure")
    draft = list(site.world.jobs.values())[-1]
    assert page.url.split("/")[-2] == draft["id"] != job["id"]
    assert draft["status"] == "pending_configuration"


def _editable(site: Site) -> Json:
    _, job = wait_in_line(site.world, 2)
    dataset = next(d for d in site.world.datasets.values() if d["status"] == "ready")
    job["dataset"].update(id=dataset["id"], name=dataset["name"])
    return job


def test_a_waiting_job_is_configured_anew_and_confirmed_like_a_start(site: Site, open_page: Opener) -> None:
    job = _editable(site)
    job["configuration"]["seed"] = 7
    page = open_page(QUEUE)
    choose(page, "Waiting 2", "Edit Configuration")
    page.wait_for_url(f"**/training-jobs/{job['id']}/configure")
    expect(
        page.get_by_text("waits in the queue. Until it gets its slot it can be changed here")
    ).to_be_visible()
    expect(page.locator("#job-name")).to_have_count(0)
    expect(page.locator("#save-draft")).to_have_count(0)
    flows.set_parameter(page, "epochs", 6)
    expect(page.locator("#estimate-total")).to_have_text("$8.40 – $12.04")
    page.get_by_role("button", name="Review & Save").click()
    save = page.get_by_role("button", name="Save Changes", exact=True)
    expect(save).to_be_disabled()
    for name in ("configuration", "cost", "budget"):
        page.locator(f"#ack-{name}").check()
    save.click()
    page.wait_for_url(f"**{QUEUE}")
    (sent,) = [r["body"] for r in site.world.requests if r["path"].endswith("/configuration")]
    assert (sent["hyperparameters"], sent["seed"]) == ({"epochs": 6}, 7)
    assert sent["acknowledged"] == {"configuration": True, "cost": True, "budget": True}
    assert job["configuration"]["hyperparameters"]["epochs"] == 6


def test_a_job_that_got_its_slot_meanwhile_is_not_changed(site: Site, open_page: Opener) -> None:
    site.allowed = ("409",)
    job = _editable(site)
    page = open_page(f"/training-jobs/{job['id']}/configure")
    page.get_by_role("button", name="Review & Save").click()
    for name in ("configuration", "cost", "budget"):
        page.locator(f"#ack-{name}").check()
    provision(site.world, job)
    page.get_by_role("button", name="Save Changes", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(
        "Only a job that waits in the queue"
    )


def test_whoever_wants_is_told_and_can_stop_it(site: Site, open_page: Opener) -> None:
    _, job = wait_in_line(site.world, 2)
    page = open_page(QUEUE)
    choose(page, "Waiting 2", "Notify Me When Starting")
    expect(card(page, job)).to_contain_text("You will be told")
    assert line_of(site.world).watched == {job["id"]}
    choose(page, "Waiting 2", "Stop Notifying Me")
    expect(card(page, job)).not_to_contain_text("You will be told")
    assert line_of(site.world).watched == set()


def test_a_promotion_is_asked_for_by_keyboard_alone_and_waits_on_the_card(
    site: Site, open_page: Opener
) -> None:
    fill_slots(site)
    jobs = wait_in_line(site.world, 5)
    page = open_page(QUEUE)
    page.get_by_role("button", name="Actions for Waiting 5").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Promote to Front")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Promote to Front")
    expect(dialog).to_contain_text("#5 → #1")
    expect(dialog).to_contain_text("4 other jobs will start later")
    reason = page.get_by_label("Reason for priority promotion")
    assert [option.strip() for option in reason.locator("option").all_inner_texts()][1:] == [
        each["label"] for each in site.world.catalog["promotion_reasons"]
    ]
    submit = page.get_by_role("button", name="Submit Request")
    reason.focus()
    page.keyboard.type("Client")
    page.keyboard.press("Tab")
    page.keyboard.type(WHY[:99])
    expect(dialog).to_contain_text("99/500, 1 more needed")
    expect(submit).to_be_disabled()
    page.keyboard.type(WHY[99])
    expect(dialog).to_contain_text("100/500")
    expect(submit).to_be_enabled()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.locator("#toasts")).to_contain_text("Will delay 4 other queued jobs by ~30 minutes each")
    (approval,) = approvals_of(site.world).values()
    assert (approval["asked"]["reason"], approval["asked"]["justification"]) == ("client_deadline", WHY[:100])
    link = card(page, jobs[4]).get_by_role("link", name="Promotion requested")
    expect(link).to_have_attribute("href", approval["page"])
    assert "Promote to Front" not in offers(page, "Waiting 5")
    assert "View Promotion Request" in offers(page, "Waiting 5")


def test_a_refused_request_says_why_at_its_field(site: Site, open_page: Opener) -> None:
    site.allowed = ("409",)
    fill_slots(site)
    jobs = wait_in_line(site.world, 3)
    page = open_page(QUEUE)
    choose(page, "Waiting 3", "Promote to Front")
    ask_promotion(site.world, jobs[2], "client_deadline", WHY)
    page.get_by_label("Reason for priority promotion").select_option("client_deadline")
    page.get_by_label("Justification").fill(WHY)
    page.get_by_role("button", name="Submit Request").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("A manager was already asked")
    expect(page.get_by_label("Justification")).to_have_value(WHY)


@pytest.mark.parametrize("decision", ["approved", "denied"])
def test_a_decision_is_told_where_the_job_waits(site: Site, open_page: Opener, decision: str) -> None:
    fill_slots(site)
    jobs = wait_in_line(site.world, 3)
    approval = ask_promotion(site.world, jobs[2], "client_deadline", WHY)
    page = open_page(QUEUE)
    expect(card(page, jobs[2])).to_contain_text("Promotion requested")
    with site.world.lock:
        line = line_of(site.world)
        del line.requests[jobs[2]["id"]]
        if decision == "approved":
            line.promoted.append(jobs[2]["id"])
        approval.update(status=decision, decided_by={**site.world.user, "name": "Mia"}, reason="Not today.")
    look_again(page)
    if decision == "approved":
        expect(page.locator("#toasts")).to_contain_text("Waiting 3 has been promoted to front of queue.")
        expect(card(page, jobs[2])).to_contain_text("Promoted")
        expect(card(page, jobs[2]).locator(".q-pos")).to_contain_text("#1")
    else:
        expect(page.locator("#toasts")).to_contain_text("denied by Mia: Not today.")
        expect(card(page, jobs[2]).locator(".q-pos")).to_contain_text("#3")
