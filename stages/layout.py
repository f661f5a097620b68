"""Paths of the stages' outputs, relative to the project folder; the same as in ``dvc.yaml``."""

import os
from pathlib import Path

PROJECT = Path(os.environ.get("DVC_ROOT", ".")).resolve()  # also from within DVC's temporary copies of it
DOWNLOADS = PROJECT / ".cache" / "download"  # shared by those copies
INPUTS = Path("data/inputs.json")  # checksums of the user's own files
RAW = Path("data/raw")
PROCESSED = Path("data/processed")
TRAIN = Path("outputs/train")
EVALUATE = Path("outputs/evaluate")
EXPORT = Path("outputs/export")
CHECKSUMS = Path(".cache/checksums.db")
CONVERSION = Path(".cache/convert")  # unfinished conversions, for resuming
CHECKPOINTS = Path(".cache/train")  # not an output, since DVC deletes those before a stage runs
LOGS = Path(".cache/logs")  # of the training processes
