"""The plan by which the network computes on the valid triangle of the map alone: pure NumPy.

Every function is pure: the same sizes give the same arrays, so the plan belongs in no checkpoint.

The proposal branch lives as rows, one a cell, in three lists. Row 0 of the first two is the zero padding that a
convolution sees beyond the edges of the map.

1. *Slots*: the cells as the tiles of the boundary-matching layer hold them. A slot that holds no cell reads
   nothing, so what it computes is what every cell outside the triangle holds: a constant.
2. *Ring*: the valid cells and those outside that the second 3 x 3 convolution looks at
   (``d + t < tscale + 2``); the first one computes them.
3. *Valid cells*: the second convolution computes these, and nothing beyond.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmn.model.sampling import Reads, sampling_reads, valid_cells


@dataclass(frozen=True)
class Tiles:
    """Tiles of equal shape, each a small dense part of the sampling matrix.

    Attributes:
        reads: the rows ``snippet * num_sample + bin`` of the contracted sequence that a tile reads,
            ``[tile, read]``; filled up with row 0, at weight 0.
        weights: the sampling matrix of a tile, ``[tile, slot, read]``; 0 in slots that hold no cell.
    """

    reads: NDArray[np.int32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """What the proposal branch has to gather, and with which weights.

    Attributes:
        tiles: groups of tiles; the slots number on from one to the next, from 1.
        ring_neighbours: the 9 rows of the slot list around every ring cell, ``[ring cell, 9]``.
        cell_neighbours: the 9 rows of the ring list around every valid cell, ``[valid cell, 9]``.
        map_cells: the valid cell that a cell of the map is, ``[dscale * tscale]``; any outside the triangle.
        map_inside: 1 for the valid cells of the map, 0 outside, ``[dscale * tscale]``.
    """

    tiles: tuple[Tiles, ...]
    ring_neighbours: NDArray[np.int32]
    cell_neighbours: NDArray[np.int32]
    map_cells: NDArray[np.int32]
    map_inside: NDArray[np.float32]


def make_plan(
    tscale: int,
    dscale: int,
    num_sample: int,
    num_sample_perbin: int,
    prop_boundary_ratio: float,
    tile: tuple[int, int] = (10, 10),
    groups: int = 3,
) -> Plan:
    """Plan the tiles and the rows around every row.

    Args:
        tile: durations and starts of a tile, in cells of the map.
        groups: into how many groups to sort the tiles by the number of rows that they read.
    """
    reads = sampling_reads(tscale, dscale, num_sample, num_sample_perbin, prop_boundary_ratio)
    tiles, slot = _tiles(tscale, dscale, num_sample, reads, tile, groups)
    valid = valid_cells(tscale, dscale)
    ring = valid_cells(tscale, dscale, margin=2)
    # The first slot never holds a cell.
    slots = np.ones((dscale, tscale), np.int32)
    slots[valid] = 1 + slot
    ring_rows = np.zeros((dscale, tscale), np.int32)
    ring_rows[ring] = 1 + np.arange(len(ring[0]))
    cells = np.zeros((dscale, tscale), np.int32)
    cells[valid] = np.arange(len(valid[0]))
    inside = np.zeros((dscale, tscale), np.float32)
    inside[valid] = 1
    return Plan(
        tiles=tiles,
        ring_neighbours=_around(slots, ring),
        cell_neighbours=_around(ring_rows, valid),
        map_cells=cells.ravel(),
        map_inside=inside.ravel(),
    )


def _tiles(
    tscale: int, dscale: int, num_sample: int, reads: Reads, tile: tuple[int, int], groups: int
) -> tuple[tuple[Tiles, ...], NDArray[Any]]:
    """The groups of tiles, and the slot of every valid cell."""
    duration, start = valid_cells(tscale, dscale)
    columns = -(-tscale // tile[1])
    _, tile_of_cell = np.unique(duration // tile[0] * columns + start // tile[1], return_inverse=True)
    # Tile 0 holds no cell: its slots compute the constant of the cells outside.
    tile_of_cell += 1
    count = int(tile_of_cell.max()) + 1

    row = (reads.snippet * num_sample + reads.bin[:, None]).reshape(len(duration), -1)
    weight = reads.weight.reshape(row.shape)
    used = np.zeros((count, tscale * num_sample), bool)
    used[np.broadcast_to(tile_of_cell[:, None], row.shape)[weight != 0], row[weight != 0]] = True

    # Tiles that read about the same number of rows form a group, so that few are filled up.
    order = np.argsort(used.sum(axis=1), kind="stable")
    place = np.argsort(order)
    used, tile_of_cell = used[order], place[tile_of_cell]
    size = tile[0] * tile[1]
    slot = tile_of_cell * size + duration % tile[0] * tile[1] + start % tile[1]
    made = []
    for members in np.array_split(np.arange(count), groups):
        if len(members) == 0:
            continue
        part = used[members]
        width = max(1, int(part.sum(axis=1).max()))
        column = np.cumsum(part, axis=1) - 1
        of_tile, of_row = np.nonzero(part)
        tile_reads = np.zeros((len(members), width), np.int32)
        tile_reads[of_tile, column[of_tile, of_row]] = of_row
        here = (tile_of_cell >= members[0]) & (tile_of_cell <= members[-1])
        local = tile_of_cell[here] - members[0]
        flat = (slot[here] - members[0] * size)[:, None] * width + np.maximum(column[local[:, None], row[here]], 0)
        weights = np.bincount(flat.ravel(), weight[here].ravel(), minlength=len(members) * size * width)
        made.append(Tiles(tile_reads, weights.astype(np.float32).reshape(len(members), size, width)))
    return tuple(made), slot


def _around(rows: NDArray[np.int32], cells: tuple[NDArray[Any], NDArray[Any]]) -> NDArray[np.int32]:
    """The rows that the map ``rows`` holds at and around some cells, ``[cell, 9]``; 0 beyond its edges."""
    offset = np.arange(3)
    padded = np.pad(rows, 1)
    return padded[cells[0][:, None, None] + offset[:, None], cells[1][:, None, None] + offset].reshape(-1, 9)
