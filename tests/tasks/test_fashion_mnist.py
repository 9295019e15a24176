"""The case study's data and model: bit-identical to the tutorial's, and never read from an incomplete file."""

from __future__ import annotations

import gzip
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lrtui.run.errors import DataError
from lrtui.tasks import fashion_mnist
from lrtui.tasks.datasets import DataSet
from lrtui.tasks.dropout import ByteDropout
from lrtui.tasks.fashion_mnist import NAMES, FashionMnist, read_files
from lrtui.tasks.idx import read_idx, write_idx
from lrtui.tasks.make_sample import BUNDLED, choose
from lrtui.tasks.task import DataRequest


def write_set(folder: Path, train: int = 20, test: int = 10) -> Path:
    """Write a small data set and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for names, size in ((NAMES[:2], train), (NAMES[2:], test)):
        write_idx(folder / names[0], generator.integers(0, 256, (size, 28, 28)).astype(np.uint8))
        write_idx(folder / names[1], (np.arange(size) % 10).astype(np.uint8))
    return folder


def test_the_bundled_sample_is_balanced_small_and_licensed() -> None:
    train_images, train_labels, test_images, test_labels = read_files(BUNDLED)
    assert train_images.shape == (6000, 28, 28)
    assert test_images.shape == (1000, 28, 28)
    assert np.bincount(train_labels).tolist() == [600] * 10
    assert np.bincount(test_labels).tolist() == [100] * 10
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 4_000_000
    assert "Zalando SE" in (BUNDLED / "LICENSE").read_text()


def test_the_sample_is_chosen_the_same_every_time() -> None:
    labels = np.arange(1000).astype(np.uint8) % 10
    one, other = (choose(labels, 100, np.random.default_rng(3)) for _ in range(2))
    assert one.tolist() == other.tolist()
    assert len(set(one.tolist())) == 100
    assert np.bincount(labels[one[:50]]).tolist() == [5] * 10


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[: len(content) // 2], "truncated or corrupt"),
        (lambda content: content[:100] + b"\xff" + content[101:], "corrupt"),
        (lambda content: b"", "not an IDX file|truncated"),
        (lambda content: b"<html>not found</html>", "corrupt"),
        (lambda content: gzip.compress(b"\0\0\x08\x03" + b"\0" * 12 + b"x"), "1 byte of data where its header says 0"),
        (lambda content: gzip.compress(b"\0\0\x08\x03"), "ends within its header"),
        (lambda content: gzip.compress(b"\0\0\x0d\x01" + b"\0" * 4), "not an IDX file of bytes"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_named_and_never_used(name: str, damage: object, words: str, tmp_path: Path) -> None:
    folder = write_set(tmp_path)
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match=words) as refused:
        read_files(folder)
    assert name in str(refused.value)
    said: list[str] = []
    found = fashion_mnist.FASHION_MNIST.find(str(folder), said.append)
    assert found.source == "bundled sample"
    assert any(name in line and "not used" in line for line in said)


def test_labels_have_to_fit_their_images(tmp_path: Path) -> None:
    folder = write_set(tmp_path)
    write_idx(folder / NAMES[1], np.zeros(19, np.uint8))
    with pytest.raises(DataError, match="do not fit"):
        read_files(folder)


def test_the_cache_comes_before_debian_and_debian_before_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian = write_set(tmp_path / "debian", train=30)
    packaged = replace(fashion_mnist.FASHION_MNIST, packages=(("Debian package", debian),))
    monkeypatch.setattr(fashion_mnist, "FASHION_MNIST", packaged)
    assert fashion_mnist.FASHION_MNIST.find(None, lambda _: None).source == "Debian package"
    cache = write_set(Path(os.environ["XDG_CACHE_HOME"]) / "lrtui" / "FashionMNIST" / "raw")
    assert fashion_mnist.FASHION_MNIST.find(None, lambda _: None).where == str(cache)
    assert fashion_mnist.FASHION_MNIST.local_folder(str(debian)) == ("cache", debian)


def test_a_failed_download_is_one_line_and_the_sample_is_used() -> None:
    said: list[str] = []
    found = fashion_mnist.FASHION_MNIST.find(None, said.append)
    assert (found.source, len(found.content[1])) == ("bundled sample", 6000)
    assert said == ["tests have no network"]


def test_a_download_is_verified_and_renamed_when_complete(tmp_path: Path) -> None:
    source = write_set(tmp_path / "mirror")
    sums = {name: hashlib.md5((source / name).read_bytes()).hexdigest() for name in NAMES}
    mirrored = replace(fashion_mnist.FASHION_MNIST, files=sums, urls=("http://127.0.0.1:9/", source.as_uri() + "/"))
    folder = real_download(mirrored, tmp_path / "into", lambda _: None)
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    corrupt = replace(mirrored, files=dict.fromkeys(NAMES, "0" * 32))
    with pytest.raises(DataError, match=r"is corrupt.*--data-dir"):
        real_download(corrupt, tmp_path / "other", lambda _: None)
    assert list((tmp_path / "other").iterdir()) == []


# before the fixture of conftest.py replaces it
real_download = DataSet.download


def test_addresses_and_checksums_are_those_of_torchvision() -> None:
    torchvision = pytest.importorskip("torchvision.datasets")
    assert dict(torchvision.FashionMNIST.resources) == fashion_mnist.FASHION_MNIST.files
    assert set(fashion_mnist.FASHION_MNIST.urls) <= set(torchvision.FashionMNIST.mirrors)


def test_the_data_source_is_reported() -> None:
    said: list[str] = []
    task = FashionMnist()
    source = task.prepare(DataRequest(None, 100, 5000), said.append)
    assert (source.name, source.source) == ("Fashion-MNIST", "bundled sample")
    assert [len(part) for part in (*task.training_data(), *task.test_data())] == [100, 100, 1000, 1000]


def test_the_images_are_those_of_torchvisions_transforms() -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    from PIL import Image

    images = read_idx(BUNDLED / NAMES[2])[:20]
    convert = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    expected = torch.stack([convert(Image.fromarray(image, mode="L")) for image in images.copy()])
    task = FashionMnist()
    task.prepare(DataRequest(None, 10, 20), lambda _: None)
    ours = task.test_data()[0]
    assert torch.equal(ours, expected)


class Tutorial(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        x = torch.flatten(nn.functional.max_pool2d(x, 2), 1)
        return torch.log_softmax(self.fc2(torch.relu(self.fc1(x))), dim=1)


def test_the_model_is_the_tutorials_in_what_it_computes_and_learns() -> None:
    task = FashionMnist()
    torch.manual_seed(0)
    ours = task.model()
    torch.manual_seed(0)
    theirs = Tutorial()
    for module in ours.modules():
        if isinstance(module, ByteDropout):
            module.eval()
    task.prepare(DataRequest(None, 64, 10), lambda _: None)
    inputs, targets = task.training_data()
    # in fp32 the kernels of different processors round differently
    for model in (ours.double(), theirs.double()):
        task.loss(model(inputs.double()), targets).backward()
    for mine, tutorials in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, tutorials)
        assert mine.grad is not None
        assert tutorials.grad is not None
        assert torch.allclose(mine.grad, tutorials.grad, rtol=1e-9, atol=1e-14)
    assert sum(parameter.numel() for parameter in ours.parameters()) == 1_199_882


@pytest.mark.parametrize("p", [0.25, 0.5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_cheap_dropout_is_dropout(p: float, layout: torch.memory_format) -> None:
    dropout = ByteDropout(p)
    inputs = torch.ones(16, 32, 10, 10).contiguous(memory_format=layout).requires_grad_()
    torch.manual_seed(1)
    outputs = dropout(inputs)
    kept = outputs != 0
    assert abs(kept.float().mean().item() - (1 - p)) < 0.01
    assert torch.allclose(outputs[kept], torch.tensor(1 / (1 - p)))
    outputs.sum().backward()
    assert inputs.grad is not None
    assert torch.equal(inputs.grad != 0, kept)
    torch.manual_seed(1)
    assert torch.equal(dropout(inputs), outputs)
    assert torch.equal(dropout.eval()(inputs), inputs)
    with pytest.raises(ValueError, match="multiple of 1/256"):
        ByteDropout(0.3)
