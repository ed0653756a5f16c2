"""Binding data as text: units, signs, bounds and association constants."""

from __future__ import annotations

import pytest

from hemenet_lab.protein_mt.labels.affinity import parse_binding, split_chains


@pytest.mark.parametrize(
    ("text", "measure", "sign", "pk"),
    [
        ("Kd=1M", "Kd", "=", 0.0),
        ("Ki=400mM", "Ki", "=", 0.39794),
        ("IC50=10uM", "IC50", "=", 5.0),
        ("Kd=5µM", "Kd", "=", 5.30103),
        ("Kd=5μM", "Kd", "=", 5.30103),
        ("Kd=2.5nM", "Kd", "=", 8.60206),
        ("kd = 17.9 pM", "Kd", "=", 10.74715),
        ("Kd=100fM", "Kd", "=", 13.0),
        ("Kd=1.5e-3uM", "Kd", "=", 8.82391),
        ("Ki~2.4uM", "Ki", "~", 5.61979),
        ("Ki<10nM", "Ki", "<", 8.0),
        ("IC50>100uM", "IC50", ">", 4.0),
        ("Kd<=1nM", "Kd", "<=", 9.0),
        ("Kd>=1mM", "Kd", ">=", 3.0),
        ("Ka=1e7M-1", "Ka", "=", 7.0),
        ("Ka>1e7M^-1", "Ka", "<", 7.0),
        ("Ka=0.1nM-1", "Ka", "=", 8.0),
    ],
)
def test_binding_data(text: str, measure: str, sign: str, pk: float) -> None:
    binding = parse_binding(text)
    assert (binding.measure, binding.sign) == (measure, sign)
    assert binding.pk == pytest.approx(pk, abs=1e-5)
    assert binding.censored == (sign in ("<", ">", "<=", ">="))


@pytest.mark.parametrize("text", ["", "Kd", "Kd=nM", "Kd=5", "Kd=5 mg", "EC50=5nM", "5nM"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected one of Kd, Ki, IC50, Ka"):
        parse_binding(text)


def test_impossible_constants_are_refused() -> None:
    with pytest.raises(ValueError, match="must be above zero"):
        parse_binding("Kd=0nM")
    with pytest.raises(ValueError, match="in units of 1/M"):
        parse_binding("Kd=5nM-1")


def test_chain_lists() -> None:
    assert split_chains("AB") == ("A", "B")
    assert split_chains("AA,B") == ("AA", "B")
    assert split_chains(" A; B ") == ("A", "B")
    assert split_chains("") == ()
