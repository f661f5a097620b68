import golden
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.network import sampling_matrix

from bmn.model.sampling import cells_before, sampling_reads


def dense(tscale, dscale, num_sample, num_sample_perbin, ratio):
    """The sampling matrix ``[snippet, bin, duration, start]`` that the reads stand for."""
    reads = sampling_reads(tscale, dscale, num_sample, num_sample_perbin, ratio)
    duration, start = cells_before(tscale, tscale, dscale)
    matrix = np.zeros((tscale, num_sample, dscale, tscale))
    where = (reads.snippet, reads.bin[:, None], duration[:, None, None], start[:, None, None])
    np.add.at(matrix, where, reads.weight)
    return matrix


@pytest.mark.parametrize(("name", "size"), [("published", (100, 100, 32, 3, 0.5)), ("other", (20, 10, 8, 2, 0.25))])
def test_reads_equal_the_published_matrix(name, size):
    published = golden.sampling_matrix(name)
    np.testing.assert_allclose(dense(*size).reshape(published.shape), published, rtol=0, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 14).flatmap(lambda t: st.tuples(st.just(t), st.integers(1, t))),
    st.integers(1, 5),
    st.integers(1, 4),
    st.floats(0, 1.5),
)
def test_reads_equal_the_oracle(scales, num_sample, num_sample_perbin, ratio):
    size = (*scales, num_sample, num_sample_perbin, ratio)
    np.testing.assert_allclose(dense(*size), sampling_matrix(*size), atol=1e-6)


def test_a_point_just_before_the_sequence_reads_the_first_snippet_in_full():
    # Cell (0, 0) with ratio 0.5: points at -0.5, 0, 0.5; the first one is truncated to 0.
    matrix = dense(2, 1, 3, 1, 0.5)
    np.testing.assert_allclose(matrix[:, :, 0, 0], [[1, 1, 0.5], [0, 0, 0.5]])


def test_a_point_just_behind_the_sequence_reads_a_part_of_the_last_snippet():
    # Cell (0, 1) with ratio 0.5: points at 0.5, 1, 1.5.
    matrix = dense(2, 1, 3, 1, 0.5)
    np.testing.assert_allclose(matrix[:, :, 0, 1], [[0.5, 0, 0], [0.5, 1, 0.5]])


def test_a_single_point_lies_in_the_middle_of_the_span():
    matrix = dense(5, 5, 1, 1, 0.5)
    np.testing.assert_allclose(matrix[:, 0, 2, 1], [0, 0, 1, 0, 0])
    np.testing.assert_allclose(matrix[:, 0, 3, 0], [0, 0.5, 0.5, 0, 0])
