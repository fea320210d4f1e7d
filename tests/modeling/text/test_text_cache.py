"""Features on disk: whole files of any number of writers."""

import multiprocessing

import pytest
import torch

from d2ext.modeling.text.cache import TextFeatureStore


def add_sentences(folder, first: int) -> None:
    store = TextFeatureStore(folder)
    for i in range(first, first + 20, 4):
        store.add({f"sentence {j}": torch.full((j, 3), float(j)) for j in range(i, i + 4)})


def test_every_writer_is_found_by_a_reader_that_was_there_before(tmp_path):
    reader = TextFeatureStore(tmp_path / "features")
    assert reader.find(["sentence 3"]) == {}
    processes = [
        multiprocessing.get_context("fork").Process(target=add_sentences, args=(reader.folder, first))
        for first in (0, 20, 40)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = reader.find([*(f"sentence {i}" for i in range(60)), "another"])
    assert len(found) == 60
    assert all(torch.equal(found[f"sentence {i}"], torch.full((i, 3), float(i))) for i in range(60))


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "half.safetensors").write_bytes(b"\x10\x00\x00")
    with pytest.raises(ValueError, match="half.safetensors: expected a safetensors file of text features"):
        TextFeatureStore(tmp_path).find(["A bus."])
