from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from visavis.models.common import mesh

ACROSS = [
    "LIPS_OUTER_UPPER", "LIPS_OUTER_LOWER", "LIPS_UPPER_MIDDLE", "LIPS_LOWER_MIDDLE",
    "LIPS_UPPER_INSIDE", "LIPS_LOWER_INSIDE", "LIPS_INNER_UPPER", "LIPS_INNER_LOWER", "NOSE_BASE",
    "JAW",
]  # fmt: skip
SIDED = [
    ("EYE_RIGHT_UPPER", "EYE_LEFT_UPPER"), ("EYE_RIGHT_LOWER", "EYE_LEFT_LOWER"),
    ("BROW_RIGHT_UPPER", "BROW_LEFT_UPPER"), ("BROW_RIGHT_LOWER", "BROW_LEFT_LOWER"),
]  # fmt: skip


def edges():
    triangles = mesh.TRIANGLES
    pairs = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    )
    return Counter(map(tuple, pairs.tolist()))


def loop(indices):
    return {tuple(sorted(pair)) for pair in zip(indices, np.roll(indices, -1), strict=True)}


def test_mirroring_twice_is_nothing():
    assert (mesh.MIRROR[mesh.MIRROR] == np.arange(mesh.LANDMARKS)).all()


def test_the_triangles_are_symmetric():
    whole = {tuple(sorted(triangle)) for triangle in mesh.TRIANGLES.tolist()}
    mirrored = {tuple(sorted(triangle)) for triangle in mesh.MIRROR[mesh.TRIANGLES].tolist()}
    assert len(whole & mirrored) > 0.97 * len(whole)


def test_the_borders_are_the_oval_the_mouth_and_the_eyes():
    border = {edge for edge, count in edges().items() if count == 1}
    expected = (
        loop(mesh.FACE_OVAL) | loop(mesh.LIPS_INNER) | loop(mesh.EYE_LEFT) | loop(mesh.EYE_RIGHT)
    )
    assert border == expected


@pytest.mark.parametrize("name", ACROSS)
def test_what_crosses_the_face_is_its_own_mirror(name):
    indices = getattr(mesh, name)
    np.testing.assert_array_equal(mesh.MIRROR[indices], indices[::-1])


@pytest.mark.parametrize(("right", "left"), SIDED)
def test_sides_mirror_each_other(right, left):
    np.testing.assert_array_equal(mesh.MIRROR[getattr(mesh, right)], getattr(mesh, left)[::-1])


@pytest.mark.parametrize("name", ["LIPS_OUTER", "LIPS_INNER", "EYE_LEFT", "EYE_RIGHT", "FACE_OVAL"])
def test_contours_run_along_the_mesh(name):
    assert loop(getattr(mesh, name)) <= set(edges())


@pytest.mark.parametrize(
    "name", ["LIPS_UPPER_MIDDLE", "LIPS_LOWER_MIDDLE", "LIPS_UPPER_INSIDE", "LIPS_LOWER_INSIDE"]
)
def test_rows_of_the_lips_run_along_the_mesh(name):
    row = getattr(mesh, name)
    pairs = {tuple(sorted(pair)) for pair in pairwise(row)}
    assert pairs <= set(edges())
