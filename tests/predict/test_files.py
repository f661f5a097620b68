"""Predictions of many files."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bmn.base.errors import BmnError
from bmn.predict.files import predict_files
from bmn.predict.inputs import Item


def test_two_predictions_into_one_folder_are_refused(tmp_path):
    """They would write the same results, and take each other's partial ones for their own."""
    items = [Item(str(tmp_path / "a.npy"), 10.0)]

    def compute(batches, hear):
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(predict_files, items, lambda *_: None, {}, tmp_path, {}, 1)
            with pytest.raises(BmnError, match=r"another prediction is writing there; wait for it, or .*--output"):
                second.result()
        hear({"found": [(("a.npy", 10.0), [])], "unreadable": []})

    predict_files(items, compute, {}, tmp_path, {}, 1)
    assert list(tmp_path.iterdir()) == []
