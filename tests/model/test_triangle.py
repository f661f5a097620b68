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


def rows_in_blocks(tscale, dscale, end):
    """The row of each cell ``{(d, t): row}`` with ``d + t < end``: by the position in its block, then by block."""
    corners = [(d, t) for d in range(0, dscale, 2) for t in range(0, tscale, 2) if d + t < end]
    return {
        (d + i, t + j): 1 + (2 * i + j) * (len(corners) + 1) + block
        for block, (d, t) in enumerate(corners)
        for i, j in np.ndindex(2, 2)
        if d + i < dscale and t + j < tscale and d + i + t + j < end
    }


def read_around(neighbours, row):
    """The 3 x 3 rows that the cell of an output row reads."""
    position, block = divmod(row - 1, neighbours.read.shape[1])
    i, j = divmod(position, 2)
    return neighbours.read[:, block].reshape(4, 4)[i : i + 3, j : j + 3]


def rows_of_lists(plan, tscale, dscale):
    """The row of each cell ``{(d, t): row}`` in the three lists; of the slots, those that the ring has too."""
    valid, ring = (rows_in_blocks(tscale, dscale, tscale + margin) for margin in (0, 2))
    slots = {cell: read_around(plan.slots_to_ring, row)[1, 1] for cell, row in ring.items()}
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
def test_the_map_is_read_from_the_valid_list(case):
    (tscale, dscale, *_), plan = case
    _, _, valid = rows_of_lists(plan, tscale, dscale)
    assert {cell: row for cell, row in np.ndenumerate(plan.map_rows.reshape(dscale, tscale)) if row} == valid


@settings(deadline=None)
@given(plans())
def test_neighbours_are_the_cells_around(case):
    (tscale, dscale, *_), plan = case
    slots, ring, valid = rows_of_lists(plan, tscale, dscale)
    for cells, made, neighbours in ((slots, ring, plan.slots_to_ring), (ring, valid, plan.ring_to_valid)):
        for (duration, start), row in made.items():
            for (d, t), seen in np.ndenumerate(read_around(neighbours, row)):
                neighbour = (duration + d - 1, start + t - 1)
                on_the_map = 0 <= neighbour[0] < dscale and 0 <= neighbour[1] < tscale
                assert (seen > 0) == on_the_map
                if neighbour in cells:
                    assert seen == cells[neighbour]


@settings(deadline=None)
@given(plans())
def test_readers_are_the_transpose_of_what_is_read(case):
    _, plan = case
    for neighbours in (plan.slots_to_ring, plan.ring_to_valid):
        in_the_empty_block = neighbours.read.shape[1] - 1
        assert not neighbours.read[:, in_the_empty_block].any()
        read = [(row, place) for place, row in enumerate(neighbours.read.flat) if row]
        readers = [
            (row, place) for (_, row), place in np.ndenumerate(neighbours.readers) if place != in_the_empty_block
        ]
        assert sorted(readers) == sorted(read)


def test_the_same_sizes_give_the_same_plan():
    one, two = make_plan(20, 15, 8, 3, 0.5), make_plan(20, 15, 8, 3, 0.5)
    for a, b in zip(one.tiles, two.tiles, strict=True):
        np.testing.assert_array_equal(a.reads, b.reads)
        np.testing.assert_array_equal(a.weights, b.weights)
    for a, b in ((one.slots_to_ring, two.slots_to_ring), (one.ring_to_valid, two.ring_to_valid)):
        np.testing.assert_array_equal(a.read, b.read)
        np.testing.assert_array_equal(a.readers, b.readers)
    np.testing.assert_array_equal(one.map_rows, two.map_rows)
