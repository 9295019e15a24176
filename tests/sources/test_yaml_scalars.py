from __future__ import annotations

import math

import pytest

from lrtui.sources.text.yaml_scalars import yaml_scalars


def test_numbers_and_text_at_the_top_are_settings() -> None:
    text = (
        "lr: 0.001\nweight_decay: 1.0e-05\nlayers: 3\nname: resnet18\nquoted: '5'\nit''s: 'it''s'\ndouble: \"a\\nb\"\n"
        "amp: true\nwarmup: null\nlimit: .inf\nnegative: -2\nversion: 1.2.3\n"
    )
    assert yaml_scalars(text) == {
        "lr": 0.001,
        "weight_decay": 1e-5,
        "layers": 3,
        "name": "resnet18",
        "quoted": "5",
        "double": "a\nb",
        "amp": True,
        "warmup": None,
        "limit": math.inf,
        "negative": -2,
        "version": "1.2.3",
    }


@pytest.mark.parametrize(
    "text",
    [
        "model: !!python/object:os.system\n",
        "path: !!python/object/apply:os.system ['ls']\n",
        "anchor: &x 5\n",
        "alias: *x\n",
        "list: [1, 2]\n",
        "map: {a: 1}\n",
        "nested:\n  lr: 0.1\n",
        "block: |\n  text\n",
        "long: text that\n  goes on\n",
        "- 5\n",
        "\0\xff:\n",
        "",
        "x" * 5000,
        "key: " + "y" * 5000,
    ],
)
def test_all_else_is_left_out(text: str) -> None:
    assert yaml_scalars(text) == {}
