"""What is attacked: for each kind of input how a hostile one is made, what the product does with it, and what an
accepted one must mean.

An accepted input is judged twice. Its meaning keeps the promises of the product (a segment lies within its video,
numbers are finite); and an independent reader finds the same in the same bytes (json, csv, zipfile and tarfile of
Python, the loader of NumPy, the pure form of ruamel.yaml), or, where there is none, it is the same when it is written
and read again.
"""

from hostile.data import Annotations, Features, Lists, Params
from hostile.models import Programs, Weights
from hostile.network import Archives, Downloads, Requests
from hostile.videos import Videos

KINDS = {
    "annotations": Annotations,
    "npy": lambda samples: Features(samples, "npy"),
    "npz": lambda samples: Features(samples, "npz"),
    "csv": lambda samples: Features(samples, "csv"),
    "params": Params,
    "lists": Lists,
    "weights": Weights,
    "pdmodel": lambda samples: Programs(samples, "pdmodel"),
    "json": lambda samples: Programs(samples, "json"),
    "onnx": lambda samples: Programs(samples, "onnx"),
    "archives": Archives,
    "videos": Videos,
    "downloads": Downloads,
    "requests": Requests,
}
