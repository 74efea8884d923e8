"""How the faces of the default avatars were made: `python -m visavis.training.recipes.default_avatars`.

MobileStyleGAN (Belousov 2021, "MobileStyleGAN: A Lightweight Convolutional Neural Network for
High-Fidelity Image Synthesis") paints people who do not exist from a style w (512). The recipe

1. paints ``SAMPLES`` random faces and measures each with the face landmarker,
2. fits by ridge regression how pose, gaze, smile and mouth follow w,
3. takes the direction of age, of sex and of earrings as differences between means of samples that
   were sorted by eye,
4. moves each chosen sample along those directions, then steps towards a frontal face that looks at
   the camera with its mouth shut, measuring after each step,
5. paints away small faults beside the face.

A style is held per resolution, (8, 512): pose and expression are edited only up to 32 x 32, so that
colours and skin stay. The styles found are kept beside the pictures (``styles.npz``), so that
``paint`` gives the shipped pictures again without the search, up to the rounding of the CPU at hand.

Needs the ``train`` extra (OpenVINO) and the non-commercial asset ``random-face``.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visavis.core.types import Floats, Picture
from visavis.models.assets import locate
from visavis.models.common.units import UNIT_INDEX
from visavis.models.face_landmarker.predictor import Face, FaceLandmarker

_LOG = logging.getLogger(__name__)

STYLE = 512
SEED_OF_MEAN = 0
SEED_OF_SAMPLES = 1000
"""Sample i is drawn from ``numpy.random.default_rng(SEED_OF_SAMPLES + i)``."""
SAMPLES = 600
TRUNCATION = 0.7
RESOLUTIONS = 8
"""4, 8, 16 ... 512 pixels; an inverse wavelet transform makes 1024 of the last."""
EDITED_RESOLUTIONS = 4
STEPS = 7
SIZE = 768
"""Pixels of the finished pictures: averaging hides the weave that the wavelets leave in skin."""
RIDGE = 300.0

_LAYERS = (
    (11,), (52, 77, 110), (152, 177, 210), (252, 277, 310),
    (352, 377, 410), (452, 477, 510), (552, 577, 610), (652, 677, 710, 743),
)  # fmt: skip
"""Numbers of the layers in the published graph that read the style, per resolution."""

TARGETS = {
    "gap": 0.02, "smile": 0.3, "yaw": 0.0, "pitch": -6.0, "roll": 0.0, "gaze": 0.0,
    "teeth": 0.03, "lids": 0.3, "jaw": 0.0,
}  # fmt: skip
"""What a default face shows. A level head has a pitch of -6 degrees in the landmarker's frame."""
_AT_MOST = ("gap", "teeth", "lids", "jaw")
"""These only have to lie below their target."""

# fmt: off
# Sorted by eye on sheets of the samples. Only their means are used, so that a doubtful one is harmless.
OLDER = (
    75, 77, 100, 115, 140, 142, 144, 155, 174, 193, 209, 291, 306, 325, 337, 353, 381, 416, 420,
    434, 437, 441, 469, 524, 549, 576, 584, 597,
)
WOMEN = (
    7, 12, 14, 18, 19, 23, 31, 32, 36, 42, 45, 49, 57, 60, 61, 68, 71, 74, 79, 82, 86, 89, 97, 101,
    107, 111, 114, 116, 117, 121, 125, 126, 128, 132, 136, 148, 152, 153, 158, 163, 169, 170, 171,
    174, 177, 182, 183, 190, 191, 198, 199, 201, 205, 207, 209, 291, 337, 378, 381, 549, 484, 581,
    462, 439, 328, 407,
)
MEN = (
    0, 1, 2, 3, 4, 5, 11, 15, 24, 27, 29, 34, 40, 46, 47, 51, 52, 53, 56, 58, 66, 67, 72, 75, 76,
    77, 83, 85, 87, 88, 92, 93, 96, 98, 100, 102, 106, 112, 115, 119, 122, 127, 138, 140, 142, 144,
    145, 151, 155, 156, 161, 166, 168, 172, 176, 188, 193, 196, 306, 325, 353, 416, 420, 434, 437,
    441, 524, 576, 584, 597,
)
EARRINGS = (
    31, 23, 68, 128, 190, 49, 148, 228, 340, 376, 386, 443, 71, 86, 298, 381, 378, 387, 335, 507,
    543, 566, 581, 575,
)
NO_EARRINGS = (
    7, 57, 61, 79, 89, 126, 152, 163, 198, 210, 226, 238, 260, 264, 359, 350, 447, 448, 450, 485,
    494, 496, 500, 560,
)
# fmt: on


@dataclass(frozen=True)
class Recipe:
    """One default face.

    Attributes:
        sample: Which random sample it starts from.
        older: Steps along the direction of age.
        female: Steps along the direction from men to women.
        earrings: Steps along the direction of earrings.
        retouch: Circles (x, y, radius) in pixels at 1024 that are filled in from around them.
    """

    sample: int
    older: float = 0.0
    female: float = 0.0
    earrings: float = 0.0
    retouch: tuple[tuple[int, int, int], ...] = ()


RECIPES = {
    "mei": Recipe(
        sample=226,
        retouch=(
            (20, 1010, 60),
            (70, 1018, 58),
            (108, 1022, 30),  # a red thing behind her
            (75, 818, 18),
            (100, 820, 20),
            (128, 824, 20),  # a smudge on the wall
        ),
    ),
    "adam": Recipe(sample=592, older=0.6, earrings=-0.3, retouch=((755, 679, 11), (833, 661, 10))),
    "ruth": Recipe(sample=276, older=0.9, female=0.5, earrings=-1.2, retouch=((604, 634, 13),)),
}


class FacePainter:
    """MobileStyleGAN.

    Args:
        folder: Of the OpenVINO IR; None takes it from the asset catalogue.
        threads: Of the CPU.
    """

    def __init__(self, folder: Path | None = None, threads: int = 2) -> None:
        import openvino

        folder = locate("random-face") if folder is None else folder
        core = openvino.Core()
        core.set_property(
            "CPU", {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        )
        mapping = core.read_model(folder / "MappingNetwork.xml")
        mapping.reshape({"var": [64, STYLE]})
        self._mapping = core.compile_model(mapping, "CPU")
        synthesis = _split_styles(core.read_model(folder / "SynthesisNetwork.xml"))
        self._synthesis = core.compile_model(synthesis, "CPU")
        noise = np.random.default_rng(SEED_OF_MEAN).standard_normal((4096, STYLE), np.float32)
        self.mean: Floats = self._map(noise).mean(0)

    def sample(self, number: int) -> Floats:
        """The truncated style (512,) of a sample."""
        rng = np.random.default_rng(SEED_OF_SAMPLES + number)
        noise = np.zeros((64, STYLE), np.float32)
        noise[:1] = rng.standard_normal((1, STYLE), np.float32)
        style: Floats = self.mean + TRUNCATION * (self._map(noise)[0] - self.mean)
        return style

    def paint(self, styles: Floats) -> Picture:
        """Paint (1024, 1024, 3) RGB from one style per resolution (8, 512)."""
        (image,) = self._synthesis([row[None] for row in styles.astype(np.float32)]).values()
        scaled = (np.clip(image[0], -1, 1) + 1) / 2 * 255 + 0.5
        return np.ascontiguousarray(np.clip(scaled, 0, 255).transpose(1, 2, 0).astype(np.uint8))

    def _map(self, noise: Floats) -> Floats:
        rows = [
            next(iter(self._mapping([noise[i : i + 64]]).values())).copy()
            for i in range(0, len(noise), 64)
        ]
        return np.concatenate(rows)


def _split_styles(model: Any) -> Any:
    """Give each resolution a style input of its own."""
    import openvino.opset13 as ops

    single = model.inputs[0]
    styles = [ops.parameter([1, STYLE], np.float32, name=f"w{i}") for i in range(RESOLUTIONS)]
    for target in single.get_target_inputs():
        name = target.get_node().get_friendly_name()
        group = 0  # one reader only asks for the shape
        if name.startswith("Gemm_"):
            number = int(name.removeprefix("Gemm_").split("/")[0])
            group = next(i for i, layers in enumerate(_LAYERS) if number in layers)
        target.replace_source_output(styles[group].output(0))
    old = model.get_parameters()[0]
    model.add_parameters(styles)
    model.remove_parameter(old)
    model.validate_nodes_and_infer_types()
    return model


def measure_face(face: Face) -> Floats:
    """What ``TARGETS`` names, in its order."""
    points = face.landmarks[:, :2]
    height = np.linalg.norm(points[10] - points[152])
    unit = {name: float(face.blendshapes[i]) for name, i in UNIT_INDEX.items()}

    def mean(*names: str) -> float:
        return sum(unit[name] for name in names) / len(names)

    values = {
        "gap": 10 * float(np.linalg.norm(points[13] - points[14]) / height),
        "smile": mean("mouthSmileLeft", "mouthSmileRight"),
        "yaw": float(face.pose[0]),
        "pitch": float(face.pose[1]),
        "roll": float(face.pose[2]),
        "gaze": mean("eyeLookOutLeft", "eyeLookInRight") - mean("eyeLookInLeft", "eyeLookOutRight"),
        "teeth": 2 * mean(
            "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight"
        ),
        "lids": mean("eyeBlinkLeft", "eyeBlinkRight") + mean("eyeSquintLeft", "eyeSquintRight") / 2,
        "jaw": unit["jawOpen"],
    }  # fmt: skip
    return np.array([values[name] for name in TARGETS], np.float32)


@dataclass(frozen=True, eq=False)
class Directions:
    """What the samples teach.

    Attributes:
        correct: (n, 512) step of w that removes an error of one standard deviation of each measure.
        spread: (n,) standard deviation of each measure over the samples.
        older: (512,) from the mean of all to the mean of ``OLDER``.
        female: (512,) from ``MEN`` to ``WOMEN``.
        earrings: (512,) from ``NO_EARRINGS`` to ``EARRINGS``.
    """

    correct: Floats
    spread: Floats
    older: Floats
    female: Floats
    earrings: Floats


def learn_directions(painter: FacePainter, landmarker: FaceLandmarker) -> Directions:
    """Paint and measure the samples and fit (about five minutes on two cores)."""
    styles: dict[int, Floats] = {}
    measures: dict[int, Floats] = {}
    for i in range(SAMPLES):
        style = painter.sample(i)
        face = landmarker.detect(painter.paint(np.repeat(style[None], RESOLUTIONS, 0)))
        if face is not None:
            styles[i], measures[i] = style, measure_face(face)
        if i % 50 == 49:
            _LOG.info("%d of %d samples painted", i + 1, SAMPLES)
    x = np.stack(list(styles.values())) - painter.mean
    y = np.stack(list(measures.values()))
    spread = y.std(0)
    scale = x.std(0).mean()
    z = x / scale
    fit = np.linalg.solve(z.T @ z + RIDGE * np.eye(STYLE), z.T @ ((y - y.mean(0)) / spread)) / scale

    def mean(numbers: tuple[int, ...]) -> Floats:
        rows: Floats = np.stack([styles[i] for i in numbers if i in styles]).mean(0)
        return rows

    return Directions(
        np.linalg.pinv(fit.T, rcond=0.05).T.astype(np.float32),
        spread,
        mean(OLDER) - np.stack(list(styles.values())).mean(0),
        mean(WOMEN) - mean(MEN),
        mean(EARRINGS) - mean(NO_EARRINGS),
    )


def find_styles(
    recipe: Recipe, painter: FacePainter, landmarker: FaceLandmarker, directions: Directions
) -> Floats:
    """Search the styles (8, 512) of one default face."""
    style = painter.sample(recipe.sample) + (
        recipe.older * directions.older
        + recipe.female * directions.female
        + recipe.earrings * directions.earrings
    )
    styles = np.repeat(style[None], RESOLUTIONS, 0)
    target = np.array(list(TARGETS.values()), np.float32)
    one_sided = np.array([name in _AT_MOST for name in TARGETS])
    best, lowest = styles, np.inf
    for step in range(STEPS):
        face = landmarker.detect(painter.paint(styles))
        if face is None:
            break
        error = (target - measure_face(face)) / directions.spread
        error = np.where(one_sided, np.minimum(error, 0), error)
        cost = float(np.square(error).sum())
        _LOG.info("step %d: squared error %.3f", step, cost)
        if cost < lowest:
            best, lowest = styles.copy(), cost
        styles[:EDITED_RESOLUTIONS] += (0.9 if step < 2 else 0.5) * error @ directions.correct
    return best


def retouch(picture: Picture, circles: tuple[tuple[int, int, int], ...]) -> Picture:
    """Fill circles in from around them (Telea 2004)."""
    import cv2

    if not circles:
        return picture
    mask = np.zeros(picture.shape[:2], np.uint8)
    for x, y, radius in circles:
        cv2.circle(mask, (x, y), radius, 255, -1)
    return np.asarray(cv2.inpaint(picture, mask, 7, cv2.INPAINT_TELEA), np.uint8)


def main() -> None:
    """Write NAME.png for each recipe, and styles.npz when they are searched anew."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--styles", type=Path, help="styles.npz to paint from, without a search")
    parser.add_argument("--weights", type=Path, help="folder of the OpenVINO IR")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    import cv2

    painter = FacePainter(arguments.weights)
    if arguments.styles:
        with np.load(arguments.styles) as file:
            found = {name: file[name] for name in RECIPES}
    else:
        landmarker = FaceLandmarker(threads=2)
        directions = learn_directions(painter, landmarker)
        found = {
            name: find_styles(recipe, painter, landmarker, directions)
            for name, recipe in RECIPES.items()
        }
        np.savez_compressed(arguments.folder / "styles.npz", **found)
    for name, recipe in RECIPES.items():
        picture = retouch(painter.paint(found[name]), recipe.retouch)
        picture = np.asarray(cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA))
        cv2.imwrite(str(arguments.folder / f"{name}.png"), picture[..., ::-1])


if __name__ == "__main__":
    main()
