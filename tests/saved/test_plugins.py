from __future__ import annotations

import gc

from hemenet_lab.encoders.base import Encoder
from hemenet_lab.encoders.hemenet import HeMeNet
from hemenet_lab.saved.plugins import encoder_classes, load_encoders


def test_two_classes_of_one_name_are_both_listed() -> None:
    load_encoders()
    assert encoder_classes()["HeMeNet"] is HeMeNet
    second = type("HeMeNet", (HeMeNet,), {"__module__": "elsewhere"})
    found: dict[str, type[Encoder]] = encoder_classes()
    assert "HeMeNet" not in found
    assert found["elsewhere.HeMeNet"] is second
    assert found["hemenet_lab.encoders.hemenet.HeMeNet"] is HeMeNet
    del second, found
    gc.collect()
    assert encoder_classes()["HeMeNet"] is HeMeNet
