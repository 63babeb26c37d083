"""GPU cards with live and fallback prices, and base models that are what they say."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from chalicelib.domain import base_models, catalogue
from chalicelib.domain.base_models import BaseModel
from chalicelib.domain.catalogue import GpuCard
from chalicelib.domain.errors import ProviderUnavailable
from chalicelib.domain.gpu import GpuOffer, Tier
from chalicelib.use_cases.refresh_catalog import current_cards, refresh_catalog
from local_models.catalogue import LOCAL_MODELS

from tests.fakes import START, FakeSettings

H100, L4 = "NVIDIA H100 PCIe", "NVIDIA L4"
OFFERS = (
    GpuOffer(
        H100,
        "H100 PCIe",
        80,
        {Tier.SPOT: Decimal("1.99"), Tier.ON_DEMAND: Decimal("2.89")},
        {Tier.SPOT: 4, Tier.ON_DEMAND: 16},
        "HIGH",
        ("US-KS-2",),
    ),
    GpuOffer(L4, "L4", 24, {Tier.SPOT: None, Tier.ON_DEMAND: Decimal("0.39")}, {Tier.ON_DEMAND: 8}, "LOW"),
    GpuOffer("AMD Nova", "Nova", 256, {Tier.SPOT: Decimal(1)}, {Tier.SPOT: 1}, "HIGH"),
)


class Provider:
    def __init__(self, offers: tuple[GpuOffer, ...] | None) -> None:
        self.offers = offers

    def catalogue(self) -> tuple[GpuOffer, ...]:
        if self.offers is None:
            raise ProviderUnavailable("The provider does not answer.")
        return self.offers


def _card(cards: tuple[GpuCard, ...], gpu_id: str) -> GpuCard:
    card = catalogue.card_of(cards, gpu_id)
    assert card is not None
    return card


def _refresh(documents: FakeSettings, offers: tuple[GpuOffer, ...] | None) -> int:
    return refresh_catalog(cloud=Provider(offers), documents=documents, now=START)  # type: ignore[arg-type]


def test_fallback_prices_stand_in_until_the_provider_was_asked() -> None:
    card = _card(current_cards(FakeSettings(), START), H100)

    assert (card.offered, card.priced_at, card.availability) == (True, None, "UNKNOWN")
    assert card.prices[Tier.SPOT] == catalogue.Price(Decimal("2.49"), "fallback")
    assert card.prices[Tier.ON_DEMAND].usd_per_hour == Decimal("7.99")


def test_the_provider_s_list_survives_storage_and_lies_over_the_catalogue() -> None:
    documents = FakeSettings()
    assert _refresh(documents, OFFERS) == 3

    cards = current_cards(documents, START)

    assert cards == catalogue.priced(OFFERS, START)
    h100, l4 = _card(cards, H100), _card(cards, L4)
    assert h100.prices[Tier.SPOT] == catalogue.Price(Decimal("1.99"), "live")
    assert (h100.max_count, h100.availability, h100.priced_at) == (8, "HIGH", START)
    assert set(l4.prices) == {Tier.ON_DEMAND}


def test_types_the_provider_lacks_are_shown_and_cannot_be_had() -> None:
    cards = catalogue.priced(OFFERS, START)

    assert [card.type.id for card in cards if card.offered] == [H100, L4]
    assert len(cards) == len(catalogue.GPU_TYPES)
    assert not _card(cards, "Tesla V100-PCIE-32GB").prices


def test_an_old_reading_keeps_its_prices_and_forgets_the_stock() -> None:
    documents = FakeSettings()
    _refresh(documents, OFFERS)

    card = _card(current_cards(documents, START + timedelta(hours=2)), H100)

    assert (card.availability, card.prices[Tier.SPOT].usd_per_hour) == ("UNKNOWN", Decimal("1.99"))


def test_a_provider_that_fails_or_has_nothing_leaves_the_last_list() -> None:
    documents = FakeSettings()
    _refresh(documents, OFFERS)

    with pytest.raises(ProviderUnavailable):
        _refresh(documents, None)
    assert _refresh(documents, ()) == 0
    assert _card(current_cards(documents, START), H100).prices[Tier.SPOT].source == "live"


@pytest.mark.parametrize(
    "model", [*base_models.HUB_MODELS, *base_models.LOCAL_MODELS], ids=lambda model: model.id
)
def test_a_model_s_shape_has_the_parameters_it_states(model: BaseModel) -> None:
    assert model.shape.parameters == pytest.approx(model.parameters, rel=2e-3)


@pytest.mark.parametrize("model", base_models.HUB_MODELS, ids=lambda model: model.id)
def test_a_hub_model_is_pinned_to_a_commit(model: BaseModel) -> None:
    assert re.fullmatch(r"[0-9a-f]{40}", model.revision)
    assert re.fullmatch(r"[\w-]+/[\w.-]+", model.hub_id)
    assert re.fullmatch(r"[a-z0-9.-]+", model.id)


def test_local_models_are_the_ones_the_one_machine_stack_builds() -> None:
    ours = {
        (m.id, m.name, m.hub_id, m.revision, m.license, m.parameters, m.context_length)
        for m in base_models.LOCAL_MODELS
    }

    assert ours == {
        (m.id, m.name, m.hub_id, m.revision, m.license, m.parameters, m.context_length) for m in LOCAL_MODELS
    }


def test_ids_are_unique_and_local_models_need_the_setting() -> None:
    everything = base_models.offered(True)

    assert len({model.id for model in everything}) == len(everything) == 17
    assert not any(model.local for model in base_models.offered(False))
    assert len({gpu.id for gpu in catalogue.GPU_TYPES}) == len(catalogue.GPU_TYPES)


def test_cancellation_reasons_have_labels() -> None:
    assert catalogue.reason_label("other") == "Other reason (please specify)"
    assert catalogue.reason_label("nonsense") is None
    assert len(catalogue.CANCELLATION_REASONS) == 7
