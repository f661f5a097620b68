"""Prints, whenever it is asked by a line, what results of a project would be called: run in the project's folder.

The names of the training, of a sweep's cached training and its evaluation, of the study, of the validation data.
"""

import json
import sys
from pathlib import Path

from bmn.tuning.training_process import digest_of_data, make_job

from bmn.base.errors import BmnError
from bmn.base.params import load_params
from bmn.data.subset import open_subset
from bmn.training.naming import name_of_training
from bmn.tuning.space import check_space, digest

DATA = Path("data/processed")

for _ in sys.stdin:
    try:
        params = load_params()
        data = digest_of_data(DATA)
        job = make_job(params, check_space(params).searched, DATA, data, Path("trainings"))
        validation = open_subset(DATA, "validation")
        names = {
            "training": name_of_training(params, open_subset(DATA, "training"), validation, Path()),
            "cached training": Path(job.folder).name,
            "evaluation": job.evaluation,
            "study": digest(params, data),
            "validation data": validation.digest,
        }
    except BmnError as error:
        names = {"error": str(error)}
    print(json.dumps(names), flush=True)
