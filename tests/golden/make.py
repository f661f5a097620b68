"""Compute the golden values with the published code: ``python make.py FOLDER``; README.md says which folder."""

import ast
import importlib
import json
import logging
import os
import platform
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import paddle
import pandas

sys.path.insert(0, str(Path(__file__).parents[1]))
import golden

PACKAGES = (
    "paddlevideo", "paddlevideo.utils", "paddlevideo.modeling", "paddlevideo.modeling.backbones",
    "paddlevideo.modeling.losses", "paddlevideo.loader", "paddlevideo.loader.pipelines", "paddlevideo.metrics",
    "paddlevideo.metrics.ActivityNet",
)  # fmt: skip
OUTPUTS = ("pred_bm", "pred_start", "pred_end")
LABELS = ("gt_iou_map", "gt_start", "gt_end")
DURATION = 124.23


def published(folder):
    """The published modules, unchanged; their packages' ``__init__`` would import all of PaddleVideo."""
    for name in PACKAGES:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(folder / name.replace(".", "/"))]
    utils = sys.modules["paddlevideo.utils"]
    utils.Registry = importlib.import_module("paddlevideo.utils.registry").Registry
    utils.get_logger, utils.get_dist_info = logging.getLogger, lambda: (0, 1)
    metrics = sys.modules["paddlevideo.metrics.ActivityNet"]
    metrics.ANETproposal = importlib.import_module("paddlevideo.metrics.ActivityNet.anet_prop").ANETproposal
    modules = ("modeling.backbones.bmn", "modeling.losses.bmn_loss", "loader.pipelines.anet_pipeline")
    found = [importlib.import_module(f"paddlevideo.{name}") for name in (*modules, "metrics.bmn_metric")]
    return *found, metrics.ANETproposal, prediction_helper(folder, found[-1])


def prediction_helper(folder, metric):
    """The class that the published prediction uses, without the imports of its module (OpenCV and more)."""
    module = ast.parse((folder / "tools/utils.py").read_text())
    wanted = [node for node in module.body if getattr(node, "name", "") == "BMN_Inference_helper"]
    wanted[0].decorator_list, wanted[0].bases = [], []
    names = {"np": np, "pandas": pandas, "json": json, "os": os}
    names |= {"boundary_choose": metric.boundary_choose, "soft_nms": metric.soft_nms}
    exec(compile(ast.Module(wanted, []), "tools/utils.py", "exec"), names)
    return names["BMN_Inference_helper"]


def store(name, **found):
    np.savez_compressed(golden.FOLDER / f"{name}.npz", **found)


def write(name, content):
    (golden.FOLDER / name).write_text(json.dumps(content, indent=1) + "\n")


def sampling(backbone):
    found = {}
    for name, size in {"published": (100, 100, 0.5, 32, 3), "other": (20, 10, 0.25, 8, 2)}.items():
        matrix = backbone.get_interp1d_mask(*size)
        where = np.flatnonzero(matrix)
        step = np.diff(where, prepend=0)
        found |= {f"{name}/shape": matrix.shape, f"{name}/step": step.astype(np.min_scalar_type(step.max()))}
        found[f"{name}/value"] = matrix.flat[where]
    store("sampling", **found)


def labels_of(pipeline, video):
    made = pipeline.GetVideoLabel(100, 100)(pipeline.GetMatchMap(100)({"video_info": video}))
    return [made[key] for key in LABELS]


def labels(pipeline):
    found = [labels_of(pipeline, video) for video in golden.read("videos.json")]
    store("labels", **dict(zip(LABELS, map(np.stack, zip(*found, strict=True)), strict=True)))


def losses_of(module, outputs, labels, drawn):
    """The four losses as tensors; ``drawn`` stands for what the published code draws."""
    loss, found, waiting = module.BMNLoss(100, 100), {}, iter(drawn)

    def noting(part):
        function = getattr(loss, f"{part}_func")

        def noted(*words):
            found[part] = function(*words)
            return found[part]

        return noted

    for part in ("tem_loss", "pem_reg_loss", "pem_cls_loss"):
        setattr(loss, f"{part}_func", noting(part))
    kept, paddle.uniform = paddle.uniform, lambda **_: paddle.to_tensor(next(waiting))
    found["loss"] = loss(*outputs, *labels)
    paddle.uniform = kept
    return found


def losses(module):
    found = {}
    for name in golden.LOSS_CASES:
        outputs, labels, drawn = golden.loss_case(name)
        parts = losses_of(module, map(paddle.to_tensor, outputs), map(paddle.to_tensor, labels), drawn)
        values = {part: value.item() for part, value in parts.items()}
        found[name] = {part: value if np.isfinite(value) else None for part, value in values.items()}
    write("losses.json", found)


def network(backbone, module, pipeline, helper):
    net = backbone.BMN(100, 100, 0.5, 32, 3)
    net.set_state_dict({name: paddle.to_tensor(array) for name, array in golden.weights().items()})
    x = paddle.to_tensor(golden.feature(), stop_gradient=False)
    outputs = net(x)
    video = golden.read("gradient_video.json")
    wanted = [paddle.to_tensor(label[None]) for label in labels_of(pipeline, video)]
    loss = losses_of(module, outputs, wanted, golden.uniform())["loss"]
    loss.backward()
    gradients = {name: golden.sample(tensor.grad.numpy()) for name, tensor in [("x", x), *net.named_parameters()]}
    maps = dict(zip(OUTPUTS, (out.numpy() for out in outputs), strict=True))
    store("network", loss=loss.numpy(), **maps, **{f"gradient/{name}": each for name, each in gradients.items()})
    net.eval()
    exported = dict(zip(OUTPUTS, through_a_program(net), strict=True))
    found = {"duration_second": DURATION}
    found["from_network"] = predicted(helper, maps)
    found["from_program"] = predicted(helper, exported)
    write("prediction.json", found)


def through_a_program(net):
    with tempfile.TemporaryDirectory() as folder:
        spec = [paddle.static.InputSpec([None, 400, 100], "float32", "feat_input")]
        paddle.jit.save(paddle.jit.to_static(net, input_spec=spec, full_graph=True), f"{folder}/BMN")
        program = next(path for path in Path(folder).iterdir() if path.suffix in {".json", ".pdmodel"})
        predictor = paddle.inference.create_predictor(paddle.inference.Config(str(program), f"{folder}/BMN.pdiparams"))
        predictor.get_input_handle(predictor.get_input_names()[0]).copy_from_cpu(golden.feature())
        predictor.run()
        return [predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()]


def predicted(helper, maps):
    """The final proposals in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        one = helper(400, 100, 100, folder)
        one.feat_path, one.video_duration = "x", DURATION
        one.postprocess([maps[name] for name in OUTPUTS], print_output=False)
        [found] = json.loads(Path(folder, "bmn_results_inference.json").read_text()).values()
    return found


def suppression(metric):
    """Decoded, suppressed and final proposals of the stored maps."""
    published_metric = metric.METRIC.get("BMNMetric")
    maps, found, final = golden.arrays("maps"), {}, {}
    one = types.SimpleNamespace(tscale=100, dscale=100, log_interval=1)
    for name, duration in golden.read("maps.json").items():
        with tempfile.TemporaryDirectory() as one.output_path:
            one.video_list = [name]
            outputs = [paddle.to_tensor(maps[f"{name}/{key}"]) for key in OUTPUTS]
            published_metric.update(one, 0, [*[None] * 4, paddle.to_tensor([0])], outputs)
            table = pandas.read_csv(f"{one.output_path}/{name}.csv", float_precision="round_trip")
            kept = metric.soft_nms(table, 0.4, 0.55, 0.9)
            published_metric.video_process(one, [name], {name: {"duration_second": duration}}, one.output_path, final)
        found |= {f"{name}/proposals": table.to_numpy(), f"{name}/kept": kept[["xmin", "xmax", "score"]].to_numpy()}
    store("suppression", **found)
    write("suppression.json", final)


def evaluation(evaluator):
    """AR and AUC; and, where scores are equal, the order in which the published code has them here."""
    np.trapz = np.trapezoid  # its name before NumPy 2  # noqa: NPY201
    found = {}
    for case in ("plain", "full", "tied"):
        proposals = golden.proposals(case)
        results = {v: [{"score": s, "segment": [a, b]} for a, b, s in rows] for v, rows in proposals.items()}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"version": "", "results": results, "external_data": {}}, file)
            file.flush()
            truth = golden.FOLDER / "ground_truth.json"
            one = evaluator(str(truth), file.name, max_avg_nr_proposals=100, check_status=False)
            one.evaluate()
        area = np.trapezoid(one.avg_recall, one.proposals_per_video) / one.proposals_per_video[-1]
        found[case] = {f"AR@{number}": 100 * one.avg_recall[number - 1] for number in (1, 5, 10, 100)}
        found[case] |= {"AUC": 100 * area, "average_recall": list(one.avg_recall)}
        found[case]["proposals_per_video"] = list(one.proposals_per_video)
    found["order_of_tied"] = {
        video: [int(place) for place in pandas.Series([row[2] for row in proposals[video]]).argsort()[::-1]]
        for video in golden.TIED
    }
    write("evaluation.json", found)


if __name__ == "__main__":
    backbone, module, pipeline, metric, evaluator, helper = published(Path(sys.argv[1]))
    sampling(backbone)
    labels(pipeline)
    losses(module)
    network(backbone, module, pipeline, helper)
    suppression(metric)
    evaluation(evaluator)
    versions = {"python": platform.python_version(), "paddle": paddle.__version__, "numpy": np.__version__}
    write("made_from.json", {"versions": versions, "sha256": golden.digests()})
