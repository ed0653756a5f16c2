"""Blocks of targets and expanded ranges by hand."""

from __future__ import annotations

import torch

from baselines.common.ranges import expand_ranges, target_blocks

TARGET = torch.tensor([0, 0, 0, 1, 1, 2, 2])


def test_blocks_share_out_targets_and_edges() -> None:
    """Four targets, the last without edges."""
    assert target_blocks(TARGET, 4, 1) == [(0, 4, 0, 7)]
    assert target_blocks(TARGET, 4, 2) == [(0, 2, 0, 5), (2, 4, 5, 7)]
    assert target_blocks(TARGET, 4, 3) == [(0, 2, 0, 5), (2, 4, 5, 7)]
    assert target_blocks(TARGET, 4, 9) == [(0, 1, 0, 3), (1, 2, 3, 5), (2, 3, 5, 7), (3, 4, 7, 7)]


def test_no_edges_and_no_targets() -> None:
    assert target_blocks(TARGET[:0], 3, 0) == [(0, 3, 0, 0)]
    assert target_blocks(TARGET[:0], 0, 5) == [(0, 0, 0, 0)]


def test_ranges_one_after_the_other() -> None:
    row, member = expand_ranges(torch.tensor([5, 0, 7]), torch.tensor([2, 0, 3]))
    assert row.tolist() == [0, 0, 2, 2, 2]
    assert member.tolist() == [5, 6, 7, 8, 9]
