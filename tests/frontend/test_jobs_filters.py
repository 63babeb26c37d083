"""The filter panel and the pager of the jobs list: counts, chips, the address, the keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.frontend.conftest import Opener, Site
from tests.frontend.test_pages import accessibility_findings

pytestmark = pytest.mark.browser

LIST = "/dashboard/training-jobs"


def has_rows(page: Page, amount: int) -> None:
    expect(page.locator(".jobs tbody tr")).to_have_count(amount)


def panel(page: Page) -> Page:
    page.locator("#show-filters").click()
    expect(page.locator("#filter-panel")).to_be_visible()
    return page


def option(page: Page, name: str) -> str:
    """An option of the panel as it reads, with its count."""
    return " ".join(page.locator("#filter-panel .option", has_text=name).first.inner_text().split())


def test_several_values_of_several_filters_stand_in_the_address(site: Site, open_page: Opener) -> None:
    page = panel(open_page(LIST))
    page.get_by_role("checkbox", name="Failed").check()
    has_rows(page, 1)
    page.get_by_role("checkbox", name="Cancelled").check()
    has_rows(page, 2)
    page.get_by_role("checkbox", name="Balanced").check()
    expect(page.locator("#show-filters")).to_have_text("Filters (3)")
    assert "status=failed,cancelled" in page.url
    assert "preset=balanced" in page.url
    page.reload()
    has_rows(page, 2)
    page.get_by_role("button", name="Remove filter Status: Failed").click()
    has_rows(page, 1)
    page.get_by_role("button", name="Clear All Filters").click()
    has_rows(page, 4)
    assert page.url.endswith(LIST)


def test_each_option_says_how_many_jobs_it_leaves(site: Site, open_page: Opener) -> None:
    failed = site.id_of("failed")
    site.world.jobs[failed]["cost"]["spent_usd"] = "75.20"
    site.world.jobs[failed]["configuration"]["gpu"]["tier"] = "on_demand"
    page = panel(open_page(LIST))
    has_rows(page, 4)
    assert option(page, "Active") == "Active 1"
    assert option(page, "$50–$100") == "$50–$100 1 job, $75"
    assert option(page, "On-Demand") == "On-Demand 1, 25%"
    assert option(page, "Me") == "DR Me 4 jobs"
    page.get_by_role("checkbox", name="$50–$100").check()
    has_rows(page, 1)
    assert option(page, "Spot") == "Spot 0, 0%"
    assert option(page, "<$50").startswith("<$50 3 jobs")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (820, "dark"), (390, "light")])
def test_the_open_panel_has_no_accessibility_finding(
    site: Site, open_page: Opener, width: int, scheme: str
) -> None:
    page = panel(open_page(f"{LIST}?status=failed&dateRange=custom", width=width, scheme=scheme))
    has_rows(page, 1)
    page.locator(".facet").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    assert accessibility_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_person_is_found_by_typing(site: Site, open_page: Opener) -> None:
    for number, name in enumerate(
        ("Ana Torres", "Bo Lind", "Chidi Oka", "Mei Tan", "Priya Nair", "Sam Ortiz")
    ):
        job = site.world.add_job("job_failed", name=f"Own {number}")
        job["created_by"] = {"id": f"usr_{number}", "name": name, "email": "x@example.com", "role": "member"}
    page = panel(open_page(LIST))
    has_rows(page, 10)
    page.get_by_label("Find a person").fill("priya")
    expect(page.get_by_role("group", name="Created by").get_by_role("checkbox")).to_have_count(2)
    page.get_by_role("checkbox", name="Priya Nair").check()
    has_rows(page, 1)
    assert "createdBy=usr_4" in page.url
    expect(page.locator(".chip")).to_have_text("Created by: Priya Nair")
    page.get_by_label("Find a person").fill("")
    page.get_by_role("checkbox", name="Me", exact=False).first.check()
    has_rows(page, 5)
    assert "createdBy=usr_4,me" in page.url


def test_a_custom_range_has_two_days(site: Site, open_page: Opener) -> None:
    failed = site.id_of("failed")
    site.world.jobs[failed]["created_at"] = "2026-11-20T10:00:00Z"
    page = panel(open_page(LIST))
    page.get_by_role("radio", name="Custom range").check()
    page.get_by_label("From").fill("2026-11-19")
    page.get_by_label("To", exact=True).fill("2026-11-21")
    has_rows(page, 2)
    assert "dateRange=custom&from=2026-11-19&to=2026-11-21" in page.url.replace("status=&", "")
    expect(page.locator("#summary")).to_contain_text("from 2026-11-19 to 2026-11-21")
    page.reload()
    has_rows(page, 2)
    page.get_by_role("button", name="Remove filter Created: 2026-11-19 to 2026-11-21").click()
    has_rows(page, 4)


def test_a_tab_and_the_status_filter_do_not_fight(site: Site, open_page: Opener) -> None:
    page = panel(open_page(f"{LIST}?tab=failed"))
    has_rows(page, 1)
    page.get_by_role("checkbox", name="Completed").check()
    has_rows(page, 1)
    assert "tab=" not in page.url
    page.get_by_role("tab", name="Active").click()
    has_rows(page, 1)
    assert "status=" not in page.url


def test_filters_without_a_hit_lead_back(site: Site, open_page: Opener) -> None:
    page = open_page(f"{LIST}?cost=gt_200")
    expect(page.get_by_text("No jobs match your filters.")).to_be_visible()
    page.get_by_role("button", name="Clear Filters", exact=True).click()
    has_rows(page, 4)


@pytest.fixture
def long_list(site: Site, open_page: Opener) -> Page:
    for number in range(101):
        site.world.add_job("job_cancelled", name=f"Extra {number}")
    page = open_page(LIST)
    expect(page.locator(".pager-of")).to_have_text("Page 1 of 5")
    return page


def test_the_arrow_keys_turn_the_pages(long_list: Page) -> None:
    page = long_list
    page.get_by_role("button", name="Next page").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".pager-of")).to_have_text("Page 2 of 5")
    page.keyboard.press("End")
    expect(page.get_by_text("Showing 101–105 of 105 jobs")).to_be_visible()
    expect(page.get_by_role("button", name="Next page")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".pager-of")).to_have_text("Page 4 of 5")
    page.keyboard.press("Home")
    expect(page.locator(".pager-of")).to_have_text("Page 1 of 5")


def test_a_page_is_gone_to_by_its_number(long_list: Page) -> None:
    page = long_list
    page.get_by_label("Go to page").fill("3")
    page.get_by_label("Go to page").press("Enter")
    expect(page.locator(".pager-of")).to_have_text("Page 3 of 5")
    assert "page=3" in page.url
    page.get_by_label("Go to page").fill("99")
    page.get_by_label("Go to page").press("Enter")
    expect(page.locator(".pager-of")).to_have_text("Page 5 of 5")


def test_a_page_beyond_the_last_shows_the_last(site: Site, open_page: Opener) -> None:
    page = open_page(f"{LIST}?page=7")
    has_rows(page, 4)
    expect(page.get_by_text("Showing 1–4 of 4 jobs")).to_be_visible()
