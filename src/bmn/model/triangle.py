"""The plan for computing only on the valid triangle of the map: pure NumPy.

The proposal branch is stored as rows, one per cell of the map, in three lists. A 3 x 3 convolution at a cell reads
cells whose ``d + t`` is larger by up to 2, so each list extends 2 further than the one computed from it:

- *slots*, the cells with ``d + t < tscale + 4``, in the order of the boundary-matching layer's tiles; those outside
  the triangle sample nothing;
- *ring*, the cells with ``d + t < tscale + 2``, which the first 3 x 3 convolution computes;
- *valid*, the cells with ``d + t < tscale``, which the second one computes.

Row 0 of a list is not a cell but the zero padding beyond the edges of the map.

The convolutions compute blocks of 2 x 2 cells, from the patches of 4 x 4 cells around them. The ring and the valid
list are therefore ``[position in the block, block]``, and have rows for more than their cells: for the rest of the
blocks that are only partly in the list, and for a last block, which is empty: it reads nothing but zeros. Nothing reads
those rows, so their gradients are 0.

The plan follows from the sizes alone, so checkpoints do not contain it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.model.sampling import Reads, cells_before, sampling_reads

Ids = NDArray[np.int32]
Cells = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Tiles:
    """Tiles of the map, each with a small dense block of the sampling matrix.

    Attributes:
        reads: the rows ``snippet * num_sample + bin`` of the contracted sequence that a tile reads,
            ``[tile, read]``; padded with row 0, at weight 0.
        weights: the sampling matrix of a tile, ``[tile, slot, read]``.
    """

    reads: Ids
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Neighbours:
    """Which rows of one list a 3 x 3 convolution reads to compute the next.

    Attributes:
        read: the input rows in the patch around each block, ``[16, block]``.
        readers: where each input row is in ``read``, flattened: ``[4, 1 + row]``; rows that are in fewer patches are
            padded with a place of the empty block.
    """

    read: Ids
    readers: Ids


@dataclass(frozen=True)
class Plan:
    """What the proposal branch gathers, and with which weights.

    Attributes:
        tiles: groups of tiles; slots are numbered from 1, consecutively over the groups.
        slots_to_ring: the neighbours of the first 3 x 3 convolution.
        ring_to_valid: the neighbours of the second.
        map_rows: each map cell's row in the valid list, ``[dscale * tscale]``; 0 outside.
    """

    tiles: tuple[Tiles, ...]
    slots_to_ring: Neighbours
    ring_to_valid: Neighbours
    map_rows: Ids


def make_plan(
    tscale: int,
    dscale: int,
    num_sample: int,
    num_sample_perbin: int,
    prop_boundary_ratio: float,
    durations: int = 12,
    slots: int = 64,
    groups: int = 6,
) -> Plan:
    """Plan the tiles and the neighbours of every row.

    Args:
        durations: number of durations that a tile may span.
        slots: cells per tile.
        groups: number of groups into which tiles are sorted by how many rows they read.
    """
    reads = sampling_reads(tscale, dscale, num_sample, num_sample_perbin, prop_boundary_ratio)
    tiles, slot_rows = _tiles(tscale, dscale, num_sample, reads, durations, slots, groups)
    ring, valid = _blocks(tscale, dscale, margin=2), _blocks(tscale, dscale, margin=0)
    return Plan(
        tiles=tiles,
        slots_to_ring=_neighbours(slot_rows, slots * sum(len(group.reads) for group in tiles), ring),
        ring_to_valid=_neighbours(ring.rows, 4 * ring.count, valid),
        map_rows=valid.rows.ravel(),
    )


@dataclass(frozen=True)
class _Blocks:
    """A list in blocks of 2 x 2 cells.

    Attributes:
        corners: the first cell of every block but the empty one.
        count: number of blocks, with the empty one.
        rows: the row of each map cell, ``[dscale, tscale]``: numbered from 1, 0 for cells not in the list.
    """

    corners: Cells
    count: int
    rows: Ids


def _blocks(tscale: int, dscale: int, margin: int) -> _Blocks:
    """The list of the cells with ``d + t < tscale + margin``."""
    duration, start = cells_before(tscale + margin, tscale, dscale)
    first = (duration % 2 == 0) & (start % 2 == 0)
    corners = duration[first], start[first]
    count = len(corners[0]) + 1
    block = np.zeros((dscale, tscale), np.int32)
    block[corners] = np.arange(count - 1)
    rows = np.zeros((dscale, tscale), np.int32)
    position = 2 * (duration % 2) + start % 2
    rows[duration, start] = 1 + position * count + block[duration - duration % 2, start - start % 2]
    return _Blocks(corners, count, rows)


def _neighbours(from_rows: Ids, rows: int, blocks: _Blocks) -> Neighbours:
    """The neighbours of blocks in a list of ``rows`` rows after row 0, given as a map of row numbers."""
    offset = np.arange(4)
    duration, start = blocks.corners
    patches = np.pad(from_rows, (1, 2))[duration + offset[:, None, None], start + offset[:, None]]
    read = np.zeros((16, blocks.count), np.int32)
    read[:, :-1] = patches.reshape(16, -1)

    place = np.flatnonzero(read)
    place = place[np.argsort(read.flat[place], kind="stable")]
    row = read.flat[place]
    readers = np.full((4, 1 + rows), blocks.count - 1, np.int32)
    readers[np.arange(len(row)) - np.searchsorted(row, row), row] = place
    return Neighbours(read, readers)


def _cut(tscale: int, dscale: int, durations: int, slots: int) -> list[NDArray[Any]]:
    """Cut the valid cells into tiles of at most ``slots`` cells that read about the same snippets.

    The cells of a few durations are sorted by the middle of their span and split evenly.
    """
    duration, start = cells_before(tscale, tscale, dscale)
    tiles: list[NDArray[Any]] = []
    for first in range(0, dscale, durations):
        band = np.flatnonzero((first <= duration) & (duration < first + durations))
        band = band[np.argsort(2 * start[band] + duration[band], kind="stable")]
        tiles += np.array_split(band, -(-len(band) // slots))
    return tiles


def _tiles(
    tscale: int, dscale: int, num_sample: int, reads: Reads, durations: int, slots: int, groups: int
) -> tuple[tuple[Tiles, ...], Ids]:
    """The groups of tiles, and the row of each map cell in the slot list, ``[dscale, tscale]``."""
    cut = _cut(tscale, dscale, durations, slots)
    tile_of_cell, place = np.empty((2, len(reads.snippet)), np.int64)
    for tile, cells in enumerate(cut):
        tile_of_cell[cells] = tile
        place[cells] = np.arange(len(cells))
    held = cells_before(tscale + 4, tscale, dscale)
    count = max(len(cut), -(-len(held[0]) // slots))

    row = (reads.snippet * num_sample + reads.bin[:, None]).reshape(len(tile_of_cell), -1)
    weight = reads.weight.reshape(row.shape)
    used = np.zeros((count, tscale * num_sample), bool)
    used.ravel()[(tile_of_cell[:, None] * used.shape[1] + row)[weight != 0]] = True

    # Group tiles that read similar numbers of rows, to minimize padding.
    order = np.argsort(used.sum(axis=1), kind="stable")
    used, tile_of_cell = used[order], np.argsort(order)[tile_of_cell]
    slot = tile_of_cell * slots + place
    tiles = []
    for members in np.array_split(np.arange(count), min(groups, count)):
        mine = np.isin(tile_of_cell, members)
        tiles.append(_group(used[members], slot[mine] - members[0] * slots, row[mine], weight[mine], slots))

    rows = np.zeros((dscale, tscale), np.int32)
    rows[cells_before(tscale, tscale, dscale)] = 1 + slot
    # Cells outside the triangle sample nothing, just like the slots left unused by valid cells.
    outside = held[0] + held[1] >= tscale
    free = np.setdiff1d(np.arange(count * slots), slot)
    rows[held[0][outside], held[1][outside]] = 1 + free[: np.count_nonzero(outside)]
    return tuple(tiles), rows


def _group(
    used: NDArray[np.bool_], slot: NDArray[Any], row: NDArray[Any], weight: NDArray[np.float64], slots: int
) -> Tiles:
    """Build a group of tiles of ``slots`` cells each.

    Args:
        used: the rows that each tile reads, ``[tile, row]``.
        slot: of each cell, ``[cell]``.
        row: what each cell reads, ``[cell, read]``.
        weight: of each read, ``[cell, read]``; a row of weight 0 need not be among those used.
    """
    width = max(1, int(used.sum(axis=1).max()))
    column = np.cumsum(used, axis=1) - 1
    tile, used_row = np.nonzero(used)
    reads = np.zeros((len(used), width), np.int32)
    reads[tile, column[tile, used_row]] = used_row
    entry = slot[:, None] * width + np.maximum(column[slot[:, None] // slots, row], 0)
    weights = np.bincount(entry.ravel(), weight.ravel(), minlength=len(used) * slots * width)
    return Tiles(reads, weights.astype(np.float32).reshape(len(used), slots, width))
