"""Approvals: the list for managers, and one request, decided signed in or with a mailed link."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.frontend.conftest import Opener, Site
from tests.frontend.fixture_approvals import ask, ask_promotion, token_of
from tests.frontend.fixture_queue import train, wait_in_line, waiting
from tests.frontend.fixture_world import Json

pytestmark = pytest.mark.browser

WHY = "The client presents these results on Friday morning and needs two days to check every answer by hand."


@pytest.fixture
def asked(site: Site) -> Json:
    """A promotion of the fifth job in line."""
    return ask_promotion(site.world, wait_in_line(site.world, 5)[4], "client_deadline", WHY)


def mailed(approval: Json, decision: str, token: str | None = None) -> str:
    return f"{approval['page']}#decision={decision}&token={token or token_of(approval)}"


def decisions(site: Site) -> list[Json]:
    return [r["body"] for r in site.world.requests if r["path"].endswith("/decision")]


def test_managers_find_what_waits_for_them(site: Site, open_page: Opener, asked: Json) -> None:
    page = open_page("/models")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Approvals").click()
    page.wait_for_url("**/approvals")
    expect(page.get_by_role("tab", name="Open 1")).to_have_attribute("aria-selected", "true")
    row = page.locator(".ask")
    expect(row).to_contain_text("Move to the front of the queue: Waiting 5")
    expect(row).to_contain_text("#5 → #1 · Client deadline")
    expect(row).to_contain_text("Decide before 2026-11-24")
    row.get_by_role("link", name="Review").click()
    page.wait_for_url(f"**{asked['page']}")
    expect(page.get_by_role("heading", name="Priority Queue Request", level=1)).to_be_visible()


def test_decided_requests_stand_under_their_tab_and_in_the_address(
    site: Site, open_page: Opener, asked: Json
) -> None:
    asked.update(
        status="denied",
        decided_by={**site.world.user, "name": "Mia"},
        decided_at=site.world.tick(),
        reason="No.",
    )
    page = open_page("/approvals")
    expect(page.get_by_text("Nothing to decide")).to_be_visible()
    page.get_by_role("tab", name="Denied").click()
    expect(page.locator(".ask")).to_contain_text("by Mia")
    assert page.url.endswith("/approvals?status=denied")
    page.reload()
    expect(page.get_by_role("tab", name="Denied")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.get_by_text("Nothing to decide")).to_be_visible()


def test_long_lists_go_on(site: Site, open_page: Opener) -> None:
    for number in range(21):
        ask(
            site.world,
            "promotion",
            f"job_{number}",
            {
                "job_name": f"Old {number}",
                "old_position": 2,
                "new_position": 1,
                "reason_label": "Client deadline",
            },
            status="expired",
        )
    page = open_page("/approvals?status=expired")
    expect(page.locator(".ask")).to_have_count(20)
    page.get_by_role("button", name="Show older").click()
    expect(page.locator(".ask")).to_have_count(21)


def test_members_see_no_list_and_only_what_they_asked(site: Site, open_page: Opener, asked: Json) -> None:
    site.allowed = ("403", "404")
    site.world.user["role"] = "member"
    page = open_page("/approvals")
    expect(page.get_by_text("For managers")).to_be_visible()
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Approvals")).to_have_count(0)
    page.goto(site.origin + asked["page"])
    expect(page.get_by_text("Waiting for a manager")).to_be_visible()
    expect(page.locator("#decide")).to_have_count(0)
    asked["requested_by"] = {"id": "usr_other", "name": "Miro", "email": "miro@example.com", "role": "member"}
    page.reload()
    expect(page.get_by_text("There is no such request")).to_be_visible()


def test_a_manager_approves_by_keyboard_alone(site: Site, open_page: Opener, asked: Json) -> None:
    page = open_page(asked["page"])
    shown = page.locator("main")
    for text in (
        "Waiting 5",
        "Client deadline",
        "#5 → #1",
        "Will delay 4 other queued jobs by ~30 minutes each",
        WHY,
        "Dana Reyes",
    ):
        expect(shown).to_contain_text(text)
    expect(page.locator("#decide")).to_be_disabled()
    page.get_by_role("radio", name="Approve").focus()
    page.keyboard.press("Space")
    expect(page.locator("#decide")).to_have_text("Approve Request")
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_be_focused()
    expect(page.locator("#verdict")).to_contain_text("Approved by Dana Reyes")
    expect(shown).to_contain_text("The job moved from #5 to #1 of the queue.")
    assert decisions(site) == [{"decision": "approve", "reason": ""}]
    assert waiting(site.world)[0]["id"] == asked["subject"]


def test_a_denial_needs_its_reason(site: Site, open_page: Opener, asked: Json) -> None:
    page = open_page(asked["page"])
    page.get_by_role("radio", name="Deny").check()
    expect(page.locator("#decide")).to_be_disabled()
    expect(page.get_by_text("Write a reason first.")).to_be_visible()
    page.locator("#reason").fill("The jobs ahead are as urgent.")
    page.get_by_role("button", name="Deny Request").click()
    expect(page.locator("#verdict")).to_contain_text("Denied by Dana Reyes")
    expect(page.locator("main")).to_contain_text("The jobs ahead are as urgent.")
    assert waiting(site.world)[4]["id"] == asked["subject"]


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_a_mailed_link_decides_without_a_sign_in_and_only_when_told(
    site: Site, open_page: Opener, asked: Json, decision: str
) -> None:
    page = open_page(mailed(asked, decision), signed_in=False)
    button = page.get_by_role("button", name="Approve Request" if decision == "approve" else "Deny Request")
    expect(button).to_be_visible()
    assert page.url == site.origin + asked["page"]
    assert decisions(site) == []
    assert asked["status"] == "pending"
    for hidden in ("Main", "Site"):
        expect(page.get_by_label(hidden, exact=True)).to_be_hidden()
    if decision == "deny":
        page.locator("#reason").fill("Not today.")
    button.click()
    expect(page.locator("#verdict")).to_contain_text("by Mia with the mailed link")
    assert asked["by_link"] is True
    assert decisions(site)[0]["token"] == token_of(asked)
    assert [r["query"] for r in site.world.requests if r["query"]] == []


def test_a_used_link_says_what_became_of_the_request(site: Site, open_page: Opener, asked: Json) -> None:
    asked.update(
        status="approved",
        decided_by={**site.world.user, "name": "Mia"},
        decided_at=site.world.tick(),
        outcome={"old_position": 5, "new_position": 1},
    )
    page = open_page(mailed(asked, "deny"), signed_in=False)
    expect(page.locator("#verdict")).to_contain_text("Approved by Mia")
    expect(page.locator("#decide")).to_have_count(0)


def test_an_expired_request_says_so(site: Site, open_page: Opener, asked: Json) -> None:
    asked.update(status="expired")
    page = open_page(mailed(asked, "approve"), signed_in=False)
    expect(page.locator("#verdict")).to_contain_text("This request expired 2026-11-24")
    expect(page.locator("#verdict")).to_contain_text("It can be made again.")


def test_a_wrong_link_asks_for_a_sign_in(site: Site, open_page: Opener, asked: Json) -> None:
    site.allowed = ("401",)
    page = open_page(mailed(asked, "approve", "made-up"), signed_in=False)
    expect(page.get_by_text("This link is not valid")).to_be_visible()
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/sign-in?next=%2Fapprovals%2F*")


def test_a_wrong_link_of_someone_signed_in_lets_them_decide_as_themselves(
    site: Site, open_page: Opener, asked: Json
) -> None:
    site.allowed = ("401",)
    page = open_page(mailed(asked, "approve", "made-up"))
    expect(
        page.get_by_text("The link is not valid. You are signed in, so you decide as yourself.")
    ).to_be_visible()
    page.get_by_role("button", name="Approve Request").click()
    expect(page.locator("#verdict")).to_contain_text("Approved by Dana Reyes")
    assert "token" not in decisions(site)[0]


def test_without_a_link_or_a_session_one_signs_in_and_comes_back(
    site: Site, open_page: Opener, asked: Json
) -> None:
    page = open_page(asked["page"], signed_in=False)
    page.wait_for_url(f"**/sign-in?next={asked['page'].replace('/', '%2F')}")


def test_a_job_that_left_the_queue_is_told_when_it_is_too_late(
    site: Site, open_page: Opener, asked: Json
) -> None:
    site.allowed = ("409",)
    page = open_page(mailed(asked, "approve"), signed_in=False)
    expect(page.locator("#decide")).to_be_enabled()
    train(site.world, site.world.jobs[asked["subject"]])
    page.locator("#decide").click()
    expect(page.locator("#verdict")).to_contain_text(
        "This request is no longer needed. The job has left the queue."
    )


def test_a_decision_of_someone_faster_is_shown(site: Site, open_page: Opener, asked: Json) -> None:
    site.allowed = ("409",)
    page = open_page(asked["page"])
    page.get_by_role("radio", name="Approve").check()
    asked.update(
        status="denied",
        decided_by={**site.world.user, "name": "Mia"},
        decided_at=site.world.tick(),
        reason="Not today.",
    )
    page.locator("#decide").click()
    expect(page.locator("#verdict")).to_contain_text("Denied by Mia")
    expect(page.locator("main")).to_contain_text("Not today.")


def test_a_lost_reply_can_be_tried_again_with_everything_typed(
    site: Site, open_page: Opener, asked: Json
) -> None:
    site.allowed = ("503",)
    page = open_page(asked["page"])
    page.get_by_role("radio", name="Deny").check()
    page.locator("#reason").fill("Not today.")
    site.world.failing.add("/approvals")
    page.locator("#decide").click()
    expect(page.get_by_role("alert")).to_contain_text("The service is busy")
    site.world.failing.clear()
    page.locator("#decide").click()
    expect(page.locator("#verdict")).to_contain_text("Denied by Dana Reyes")


def test_a_kind_the_page_has_never_heard_of_is_shown_by_its_own_words(site: Site, open_page: Opener) -> None:
    facts = {
        "amount_usd": "250.00",
        "reason": "Two more client projects.",
        "used_percent": 92.0,
        "is_recurring": False,
        "lines": [1],
    }
    approval = ask(site.world, "budget_increase", "2026-11", facts)
    page = open_page(approval["page"])
    expect(page.get_by_role("heading", name="Budget increase request", level=1)).to_be_visible()
    pairs = page.locator("dl.kv > div")
    assert ["Amount", "$250.00"] in [pair.inner_text().split("\n") for pair in pairs.all()]
    assert ["Is recurring", "No"] in [pair.inner_text().split("\n") for pair in pairs.all()]
    expect(page.locator("blockquote")).to_have_text("Two more client projects.")
    page.get_by_role("radio", name="Approve").check()
    page.locator("#decide").click()
    expect(page.locator("#verdict")).to_contain_text("Approved by Dana Reyes")


def on_phone(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def test_a_mailed_link_works_on_a_phone(site: Site, open_page: Opener, asked: Json) -> None:
    page = open_page(mailed(asked, "approve"), signed_in=False, width=390)
    page.get_by_role("button", name="Approve Request").click()
    expect(page.locator("#verdict")).to_contain_text("by Mia")
    assert on_phone(page) == 0
