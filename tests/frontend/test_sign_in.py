"""Signing in: password, first password, links, expiry."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.frontend import flows
from tests.frontend.conftest import TOKEN, Opener, Site
from tests.frontend.fixture_api import EMAIL, PASSWORD

pytestmark = pytest.mark.browser


def test_a_person_signs_in_with_a_password_and_out_again(site: Site, open_page: Opener) -> None:
    page = open_page(signed_in=False)
    flows.sign_in(page, site.origin, EMAIL, PASSWORD)
    assert page.evaluate("localStorage.getItem('lp.session')") is None
    flows.sign_out(page, site.origin)
    assert page.evaluate("sessionStorage.getItem('lp.session')") is None
    page.goto(f"{site.origin}/models")
    page.wait_for_url("**/sign-in?next=%2Fmodels")


def test_staying_signed_in_survives_a_new_tab(site: Site, open_page: Opener) -> None:
    page = open_page(signed_in=False)
    flows.sign_in(page, site.origin, EMAIL, PASSWORD, keep=True)
    other = page.context.new_page()
    other.goto(f"{site.origin}/models")
    expect(other.get_by_role("heading", name="Model Artifacts")).to_be_visible()


def test_a_wrong_password_says_so_and_keeps_the_e_mail(site: Site, open_page: Opener) -> None:
    site.allowed = ("401",)
    page = open_page("/sign-in", signed_in=False)
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The e-mail or the password is wrong.")
    expect(page.get_by_label("E-mail")).to_have_value(EMAIL)


def test_a_first_sign_in_asks_for_a_new_password(site: Site, open_page: Opener) -> None:
    page = open_page("/sign-in?next=/datasets", signed_in=False)
    page.get_by_label("E-mail").fill("new@example.com")
    page.get_by_label("Password", exact=True).fill("temporary")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    page.get_by_label("New password", exact=True).fill("a long new password")
    page.get_by_label("New password again").fill("another long password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The two passwords differ.")
    page.get_by_label("New password again").fill("a long new password")
    page.keyboard.press("Enter")
    page.wait_for_url("**/datasets")


def test_a_sign_in_link_works_and_its_token_leaves_the_address(site: Site, open_page: Opener) -> None:
    page = open_page(signed_in=False)
    flows.open_sign_in_link(page, f"{site.origin}/sign-in#access_token={TOKEN}")
    assert TOKEN not in page.url
    assert page.evaluate("localStorage.getItem('lp.session')") is None


def test_an_outdated_sign_in_link_says_what_to_do(site: Site, open_page: Opener) -> None:
    site.allowed = ("401",)
    page = open_page("/sign-in#access_token=lp_gone", signed_in=False)
    expect(page.get_by_role("alert")).to_contain_text("no longer valid")


def test_an_expired_session_leads_to_sign_in_and_back_to_the_page(site: Site, open_page: Opener) -> None:
    site.allowed = ("401",)
    page = open_page(signed_in=False)
    flows.sign_in(page, site.origin, EMAIL, PASSWORD)
    site.world.sessions.clear()
    page.evaluate("""() => { const s = JSON.parse(sessionStorage.getItem('lp.session')); s.refresh_token = 'old';
        sessionStorage.setItem('lp.session', JSON.stringify(s)); }""")
    page.goto(f"{site.origin}/models?sort=quality")
    page.wait_for_url(re.compile(r"/sign-in\?next="))
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/models?sort=quality")


def test_an_expired_token_is_refreshed_without_anybody_noticing(site: Site, open_page: Opener) -> None:
    site.allowed = ("401",)
    page = open_page(signed_in=False)
    flows.sign_in(page, site.origin, EMAIL, PASSWORD)
    site.world.sessions.clear()
    page.goto(f"{site.origin}/models")
    expect(page.get_by_role("link", name=re.compile("View & Download")).first).to_be_visible()


def test_sign_in_never_sends_a_person_to_another_site(site: Site, open_page: Opener) -> None:
    page = open_page("/sign-in?next=//evil.example/x", signed_in=False)
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.origin}/dashboard/training-jobs")
