"""Where each stage leaves its work, relative to the project's folder; ``dvc.yaml`` names the same places."""

import os
from pathlib import Path

PROJECT = Path(os.environ.get("DVC_ROOT", ".")).resolve()  # also from DVC's temporary copies of it
DOWNLOADS = PROJECT / ".cache" / "download"  # shared by those copies
INPUTS = Path("data/inputs.json")  # checksums of a person's own files
RAW = Path("data/raw")
PROCESSED = Path("data/processed")
TRAIN = Path("outputs/train")
EVALUATE = Path("outputs/evaluate")
EXPORT = Path("outputs/export")
CHECKSUMS = Path(".cache/checksums.db")
CONVERSION = Path(".cache/convert")  # an unfinished one, to go on with
CHECKPOINTS = Path(".cache/train")  # outside DVC's outputs, which it deletes before a stage runs
LOGS = Path(".cache/logs")  # of the processes of a training
