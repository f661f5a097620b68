"""Recipes that others published figures for: parameters, where the data come from, and what is not the same here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANNOTATIONS = "https://paddlemodels.bj.bcebos.com/video_detection"


@dataclass(frozen=True)
class Published:
    """A published recipe.

    Attributes:
        data: the name of the data set.
        params: differences from the defaults in :mod:`bmn.base.schema`, as nested groups.
        features: what they are, where people get them (and the annotations, if these are not downloaded either) and
            how to lay them out.
        expected: the published figures.
        source: who published them.
        differs: what these parameters do not say, so that figures may differ.
    """

    data: str
    params: dict[str, dict[str, Any]]
    features: str
    expected: str
    source: str
    differs: tuple[str, ...] = ()

    @property
    def asks_for_features(self) -> bool:
        """Whether a person has to fetch the features; others are downloaded by the first stage."""
        return "://" not in self.params["data"]["features"]

    def told(self, root: Path, features: str) -> str:
        """What a person should know who begins with it.

        Args:
            root: the folder that relative paths start from.
            features: the path or URL in use.
        """
        lines = [f"expected, as published by {self.source}: {self.expected}; not measured by us"]
        lines += [f"not the same here: {difference}" for difference in self.differs]
        if self.asks_for_features and not (root / features).exists():
            lines.append(f"{features} is missing: {self.features}")
        return "\n".join(lines)


def _soft_nms(alpha: float) -> dict[str, Any]:
    """OpenTAD ranks by the confidence map alone, lets scores decay from any overlap on, and has candidates vote."""
    thresholds = {"low_threshold": 0.0, "high_threshold": 0.0}
    return {"boundary_exponent": 0.0, "alpha": alpha, **thresholds, "voting_tiou": 0.95}


_OPENTAD = ("the weights kept are those with the best validation AUC, not of an epoch chosen beforehand",)
_BASE = {"base_weight_decay": 1e-3}  # OpenTAD's paramwise: ten times that of the rest of the network
_RESIZED = "features are resized by linear interpolation, not by averaging (torchvision's RoI align)"
_THUMOS = (
    *_OPENTAD,
    "at most 100 proposals a video, after one Soft-NMS over its windows (OpenTAD: 200 a window, and Soft-NMS in each)",
    "all annotated test videos are evaluated (OpenTAD: without video_test_0000270 and video_test_0001292); "
    "take them out of the annotations to compare",
)
_THUMOS_ANNOTATIONS = "annotations: OpenTAD's thumos_14_anno.json, or a folder of THUMOS-14's own text files"


def _thumos(features: str, stride: int) -> dict[str, dict[str, Any]]:
    return {
        "data": {
            "source": "local",
            "strict": False,  # two of its segments lie outside their video, some videos have no annotations
            "features": features,
            "annotations": "data/thumos-14/annotations/thumos_14_anno.json",
            "length": "window",
            "overlap": 0.5,
            "inside": 0.9,
            "snippet_seconds": stride / 30,  # for THUMOS' own text files, which have no durations; 30 frames a second
        },
        "model": {"feat_dim": 2048, "tscale": 128, "dscale": 64},
        "train": {"epochs": 8, "decay_epoch": 5, "learning_rate": 1e-4, "clip_norm": 1.0, **_BASE},
        "proposals": _soft_nms(0.3),
    }


PUBLISHED = {
    "activitynet": Published(
        data="ActivityNet-1.3",
        params={
            "data": {
                "source": "activitynet",
                "strict": False,  # 215 of its segments extend beyond their video, 12 are empty
                "features": f"{ANNOTATIONS}/bmn_feat.tar.gz",
                "annotations": f"{ANNOTATIONS}/activitynet_1.3_annotations.json",
                "ground_truth": f"{ANNOTATIONS}/activity_net_1_3_new.json",
            }
        },
        features="TSN, 400 channels; downloaded (5.5 GB)",
        expected="AR@1 33.26, AR@5 49.48, AR@10 56.86, AR@100 75.19, AUC 67.23",
        source="PaddleVideo",
    ),
    "activitynet_tsp": Published(
        data="ActivityNet-1.3",
        params={
            "data": {
                "source": "activitynet",
                "strict": False,
                "features": "data/activitynet-1.3/features/anet_tsp_npy_unresize",
                "annotations": f"{ANNOTATIONS}/activitynet_1.3_annotations.json",
                "ground_truth": f"{ANNOTATIONS}/activity_net_1_3_new.json",
            },
            "model": {"feat_dim": 512, "tscale": 128, "dscale": 128},
            "train": {"epochs": 10, "decay_epoch": 7, "clip_norm": 1.0, **_BASE},
            "proposals": _soft_nms(0.5),
        },
        features="TSP (R(2+1)D-34), 512 channels, one v_<video>.npy each: the archive tsp_unresize that OpenTAD's "
        "tools/prepare_data/activitynet/README.md links",
        expected="average mAP 36.40 (tIoU 0.5 to 0.95) with CUHK's class scores; AUC 68.47 with the published scoring "
        "and Soft-NMS of proposals.* instead",
        source="OpenTAD, configs/bmn/anet_tsp.py",
        differs=(*_OPENTAD, _RESIZED),
    ),
    "thumos14_tsn": Published(
        data="THUMOS-14",
        params=_thumos("data/thumos-14/features/tsn_gtad_stride5_thumos", stride=5),
        features="two-stream TSN, 2048 channels, one <video>.npy each: the archive tsn that OpenTAD's "
        "tools/prepare_data/thumos/README.md links has a row for every frame; save every fifth: "
        f"numpy.save(to, numpy.load(file)[::5]); {_THUMOS_ANNOTATIONS}",
        expected="average mAP 46.19 (tIoU 0.3 to 0.7) with UntrimmedNet's class scores",
        source="OpenTAD, configs/bmn/thumos_tsn.py",
        differs=_THUMOS,
    ),
    "thumos14_i3d": Published(
        data="THUMOS-14",
        params=_thumos("data/thumos-14/features/i3d_actionformer_stride4_thumos", stride=4),
        features="two-stream I3D, 2048 channels, one <video>.npy each, a row for four frames: the archive i3d that "
        f"OpenTAD's tools/prepare_data/thumos/README.md links; {_THUMOS_ANNOTATIONS}",
        expected="average mAP 51.70 (tIoU 0.3 to 0.7) with UntrimmedNet's class scores",
        source="OpenTAD, configs/bmn/thumos_i3d.py",
        differs=(
            *_THUMOS,
            "snippets divide a video evenly (OpenTAD: the n-th is centred at frame 4 n + 8), up to 0.2 s apart",
        ),
    ),
    "hacs_slowfast": Published(
        data="HACS Segments 1.1.1",
        params={
            "data": {
                "source": "local",
                "strict": False,  # not every annotated video has features
                "features": "data/hacs-1.1.1/features/slowfast101_15fps_stride8_len32_hacs",
                "annotations": "data/hacs-1.1.1/annotations/HACS_segments_v1.1.1.json",
            },
            "model": {"feat_dim": 2304, "tscale": 192, "dscale": 192},
            "train": {"epochs": 6, "decay_epoch": 5, "learning_rate": 4e-4, "clip_norm": 1.0},
            "proposals": _soft_nms(0.5),
        },
        features="SlowFast-101 by TCANet, 2304 channels, one <video>.npy each: the archive slowfast that OpenTAD's "
        "tools/prepare_data/hacs/README.md links; annotations: HACS_v1.1.1.zip of hangzhaomit/HACS-dataset",
        expected="average mAP 35.78 (tIoU 0.5 to 0.95) with TCANet's class scores",
        source="OpenTAD, configs/bmn/hacs_slowfast_192.py",
        differs=(*_OPENTAD, _RESIZED, "the two likeliest classes of a video label its proposals, not three"),
    ),
}
