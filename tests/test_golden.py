"""The golden values belong to what is made from seeds here."""

import golden


def test_what_is_made_from_seeds_is_bit_for_bit_what_the_golden_values_were_computed_from():
    assert golden.digests() == golden.read("made_from.json")["sha256"]


def test_the_folder_stays_small():
    assert sum(path.stat().st_size for path in golden.FOLDER.iterdir() if path.is_file()) < 3e6
