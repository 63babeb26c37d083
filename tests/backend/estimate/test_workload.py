"""Steps, tokens and the prior duration, against figures worked out by hand."""

from __future__ import annotations

import pytest
from chalicelib.domain import base_models, catalogue, presets, workload
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backend.estimate.examples import H100
from trainer import batches, data


def _llama() -> base_models.BaseModel:
    model = base_models.find("llama-3.1-8b-instruct")
    assert model is not None
    return model


def _gpu(gpu_id: str = H100) -> catalogue.GpuType:
    gpu = catalogue.gpu_type(gpu_id)
    assert gpu is not None
    return gpu


def test_the_training_split_and_the_effective_batch_decide_the_steps() -> None:
    work = workload.measure(242, 1567, 318_224, presets.resolve("balanced"))

    # 242 - round(24.2 x 2) = 194 conversations, 4 a step; 318,224 x 0.8 x 3 tokens.
    assert (work.steps_per_epoch, work.total_steps, work.training_tokens) == (49, 147, 763_737)


def test_unknown_sizes_count_as_a_thousand_pairs_of_two_hundred_tokens() -> None:
    work = workload.measure(None, None, None, presets.resolve("fast"))

    assert (work.tokens, work.training_tokens, work.total_steps) == (200_000, 160_000, 100)


def test_tokens_beyond_the_maximum_length_are_not_trained() -> None:
    values = presets.resolve("balanced", {"max_sequence_length": 100})

    assert workload.measure(10, 10, 50_000, values).tokens == 1_000


@settings(deadline=None)
@given(conversations=st.integers(2, 5_000), batch=st.integers(1, 64), accumulation=st.integers(1, 64))
def test_steps_are_those_the_trainer_will_take(conversations: int, batch: int, accumulation: int) -> None:
    values = presets.resolve("balanced", {"batch_size": batch, "gradient_accumulation_steps": accumulation})
    held_out = max(1, round(conversations * data.VALIDATION_SHARE))

    planned = workload.measure(conversations, None, None, values)

    assert planned.steps_per_epoch == batches.steps_per_epoch(conversations - held_out, batch * accumulation)


def test_speed_is_utilisation_times_peak_over_six_flops_per_parameter() -> None:
    # 0.35 x 756e12 / (6 x 8,030,261,248)
    assert workload.tokens_per_second(_llama(), _gpu(), 1) == pytest.approx(5491.7, abs=0.1)


def test_each_further_gpu_adds_nine_tenths_of_the_first() -> None:
    one = workload.tokens_per_second(_llama(), _gpu(), 1)

    assert workload.tokens_per_second(_llama(), _gpu(), 2) == pytest.approx(1.9 * one)
    assert workload.tokens_per_second(_llama(), _gpu(), 8) == pytest.approx(7.3 * one)


def test_gpus_beyond_the_conversations_of_a_step_bring_nothing() -> None:
    values = presets.resolve("balanced", {"batch_size": 3, "gradient_accumulation_steps": 1})
    work = workload.measure(242, 1567, 318_224, values)

    assert [workload.gpus_used(work, _llama(), count) for count in (1, 2, 3, 8)] == [1, 2, 3, 3]
    three, eight = (workload.prior_seconds(work, _llama(), _gpu(), count) for count in (3, 8))
    assert three == eight < workload.prior_seconds(work, _llama(), _gpu(), 2)


def test_a_training_split_smaller_than_a_step_bounds_the_gpus() -> None:
    values = presets.resolve("balanced", {"batch_size": 16})

    assert workload.gpus_used(workload.measure(3, 3, 600, values), _llama(), 8) == 2


def test_a_local_model_uses_one_process_however_many_gpus_are_rented() -> None:
    tiny = base_models.find("tiny-llama")
    assert tiny is not None
    work = workload.measure(100, 100, 20_000, presets.resolve("fast"))

    assert workload.gpus_used(work, tiny, 8) == 1


def test_the_prior_adds_start_validation_and_saving_to_training() -> None:
    work = workload.measure(242, 1567, 318_224, presets.resolve("balanced"))

    # 600 start + 763,737 / 5,491.7 + 147 x 0.1 + 3 x 300 + 300
    assert workload.prior_seconds(work, _llama(), _gpu(), 1) == pytest.approx(1953.8, abs=0.1)


def test_a_large_model_takes_longer_to_download_than_the_usual_start() -> None:
    work = workload.measure(100, 100, 10_000, presets.resolve("fast"))
    large = base_models.find("llama-3.1-70b-instruct")
    assert large is not None
    training = work.training_tokens / workload.tokens_per_second(large, _gpu(), 1)

    # 300 for the pod + 141.1e9 bytes at 250 MB/s, then 10 steps, one validation, the save
    expected = 300 + 70_553_706_496 * 2 / 250e6 + training + 1.0 + 300 + 300
    assert workload.prior_seconds(work, large, _gpu(), 1) == pytest.approx(expected)


def test_a_local_model_is_timed_by_the_processor_whatever_gpu_is_chosen() -> None:
    tiny = base_models.find("tiny-llama")
    assert tiny is not None
    work = workload.measure(100, 100, 20_000, presets.resolve("fast"))

    # 20 + 16,000 / 4,000 + 2 x 4,000 / 8,000 + 20
    for gpu in catalogue.GPU_TYPES:
        assert workload.prior_seconds(work, tiny, gpu, 1) == pytest.approx(45.0)


def test_a_merged_model_is_billed_time_of_its_own() -> None:
    work = workload.measure(242, 1567, 318_224, presets.resolve("balanced"))
    plain, merged = (
        workload.prior_seconds(work, _llama(), _gpu(), 1, export_merged) for export_merged in (False, True)
    )
    # 8,030,261,248 parameters x 2 bytes at 50 MB/s.
    assert merged - plain == pytest.approx(321.2, abs=0.1)
