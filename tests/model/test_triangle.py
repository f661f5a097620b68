import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.network import sampling_matrix

from bmn.model.triangle import make_plan


@st.composite
def plans(draw):
    """Sizes of a network and its plan, with small tiles so that small maps have many."""
    tscale = draw(st.integers(1, 14))
    size = (
        tscale,
        draw(st.integers(1, tscale)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 3)),
        draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
    )
    durations, slots, groups = draw(st.integers(1, 6)), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    return size, make_plan(*size, durations, slots, groups)


def rows_of_lists(plan, tscale, dscale):
    """The row of each cell ``{(d, t): row}`` in the three lists, read off the middle column of the neighbours."""
    valid = {(d, t): plan.map_rows[d * tscale + t] for d in range(dscale) for t in range(tscale) if d + t < tscale}
    ring_cells = [(d, t) for d in range(dscale) for t in range(tscale) if d + t < tscale + 2]
    ring = {cell: 1 + index for index, cell in enumerate(ring_cells)}
    slots = {cell: plan.slots_to_ring.read[row - 1, 4] for cell, row in ring.items()}
    return slots, ring, valid


@settings(deadline=None)
@given(plans())
def test_tiles_hold_the_sampling_matrix(case):
    (tscale, dscale, num_sample, *rest), plan = case
    matrix = np.zeros((tscale * num_sample, 1 + sum(t.weights[..., 0].size for t in plan.tiles)))
    slot = 1
    for group in plan.tiles:
        for reads, weights in zip(group.reads, group.weights, strict=True):
            for cell_weights in weights:
                np.add.at(matrix[:, slot], reads, cell_weights)
                slot += 1
    oracle = sampling_matrix(tscale, dscale, num_sample, *rest)
    slots, _, _ = rows_of_lists(plan, tscale, dscale)
    for (duration, start), row in slots.items():
        expected = oracle[:, :, duration, start].ravel()
        np.testing.assert_allclose(matrix[:, row], expected, atol=1e-6)


@settings(deadline=None)
@given(plans())
def test_no_two_cells_share_a_row(case):
    (tscale, dscale, *_), plan = case
    for rows in rows_of_lists(plan, tscale, dscale):
        assert 0 not in rows.values()
        assert len(set(rows.values())) == len(rows)


@settings(deadline=None)
@given(plans())
def test_neighbours_are_the_cells_around(case):
    (tscale, dscale, *_), plan = case
    slots, ring, valid = rows_of_lists(plan, tscale, dscale)
    for cells, made, read in (
        (slots, ring, plan.slots_to_ring.read),
        (ring, valid, plan.ring_to_valid.read),
    ):
        assert read.shape == (len(made), 9)
        for (duration, start), row in made.items():
            for k, (d, t) in enumerate(np.ndindex(3, 3)):
                neighbour = (duration + d - 1, start + t - 1)
                on_the_map = 0 <= neighbour[0] < dscale and 0 <= neighbour[1] < tscale
                seen = read[row - 1, k]
                assert (seen > 0) == on_the_map
                if neighbour in cells:
                    assert seen == cells[neighbour]


@settings(deadline=None)
@given(plans())
def test_readers_are_the_transpose_of_what_is_read(case):
    _, plan = case
    for neighbours in (plan.slots_to_ring, plan.ring_to_valid):
        read = {(row, k, 1 + cell) for cell, rows in enumerate(neighbours.read) for k, row in enumerate(rows) if row}
        readers = {
            (row, k, cell) for row, cells in enumerate(neighbours.readers) for k, cell in enumerate(cells) if cell
        }
        assert read == readers
        assert not neighbours.readers[0].any()


def test_the_same_sizes_give_the_same_plan():
    one, two = make_plan(20, 15, 8, 3, 0.5), make_plan(20, 15, 8, 3, 0.5)
    for a, b in zip(one.tiles, two.tiles, strict=True):
        np.testing.assert_array_equal(a.reads, b.reads)
        np.testing.assert_array_equal(a.weights, b.weights)
    for a, b in ((one.slots_to_ring, two.slots_to_ring), (one.ring_to_valid, two.ring_to_valid)):
        np.testing.assert_array_equal(a.read, b.read)
        np.testing.assert_array_equal(a.readers, b.readers)
    np.testing.assert_array_equal(one.map_rows, two.map_rows)
