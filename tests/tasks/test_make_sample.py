from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrtui.tasks import make_sample
from lrtui.tasks.fashion_mnist import NAMES, read_files
from lrtui.tasks.idx import read_idx, write_idx
from lrtui.tasks.make_sample import BUNDLED

# Debian's folder, even if the tests replace it
REAL = Path("/usr/share/datasets/fashion-mnist")


def test_the_bundled_sample_is_balanced() -> None:
    train_images, train_labels, test_images, test_labels = read_files(BUNDLED)
    assert (train_images.shape, test_images.shape) == ((6000, 28, 28), (1000, 28, 28))
    assert np.bincount(train_labels).tolist() == [600] * 10
    assert np.bincount(test_labels).tolist() == [100] * 10
    assert np.bincount(train_labels[:50]).tolist() == [5] * 10


def test_the_bundled_sample_is_small_and_carries_its_notice() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 4_000_000
    notice = (BUNDLED / "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in notice
    assert "Copyright © 2017 Zalando SE" in notice


def test_no_image_is_in_the_sample_twice() -> None:
    indices = make_sample.choose(np.arange(1000).astype(np.uint8) % 10, 200, np.random.default_rng(0))
    assert len(set(indices.tolist())) == 200


def test_a_sample_is_the_same_each_time_and_drawn_from_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_sample, "SIZES", {"train": 20, "t10k": 10})
    labels = (np.arange(100) % 10).astype(np.uint8)
    for name in NAMES:
        # each image is filled with its own index
        images = np.arange(100, dtype=np.uint8)[:, None, None].repeat(28, 1).repeat(28, 2)
        write_idx(tmp_path / name, images if "images" in name else labels)
    written = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        monkeypatch.setattr(make_sample, "BUNDLED", folder)
        make_sample.main(tmp_path)
        written.append([(folder / name).read_bytes() for name in NAMES])
    assert written[0] == written[1]
    images, chosen = read_idx(tmp_path / "first" / NAMES[0]), read_idx(tmp_path / "first" / NAMES[1])
    assert (images[:, 0, 0] % 10).tolist() == chosen.tolist() == [*range(10)] * 2


@pytest.mark.skipif(not (REAL / NAMES[0]).exists(), reason="needs the whole data set")
def test_the_script_chooses_what_is_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = read_files(BUNDLED)
    monkeypatch.setattr(make_sample, "BUNDLED", tmp_path)
    make_sample.main(REAL)
    for ours, chosen in zip(bundled, read_files(tmp_path), strict=True):
        assert np.array_equal(ours, chosen)
