"""Prints, whenever it is asked by a line, what results of a project would be called: run in the project's folder.

The names of the training, of a sweep's cached training and its evaluation, of the study, of the validation data.
"""

import json
import sys
from pathlib import Path

from bmn.base.errors import BmnError
from bmn.base.params import load_params
from bmn.data.subset import open_subset
from bmn.training.naming import name_of_training
from bmn.training_jobs.data import digest_of_data
from bmn.training_jobs.job import names as names_of_job
from bmn.tuning import job
from bmn.tuning.space import check_space, digest

DATA = Path("data/processed")

for _ in sys.stdin:
    try:
        params = load_params()
        training, validation = (open_subset(DATA, name) for name in ("training", "validation"))
        searched = {key: dimension.model_dump() for key, dimension in check_space(params).searched.items()}
        shaping = [searched, params.tune.evaluations]
        cached, evaluation = names_of_job(params, job.__file__, shaping, training, validation)
        names = {
            "training": name_of_training(params, training, validation, Path()),
            "cached training": cached,
            "evaluation": evaluation,
            "study": digest(params, digest_of_data(DATA)),
            "validation data": validation.digest,
        }
    except BmnError as error:
        names = {"error": str(error)}
    print(json.dumps(names), flush=True)
