from pathlib import Path

import pytest

from hemenet_lab.store.cache import cache_folder


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HEMENET_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/hemenet_lab")),
        ({"HEMENET_CACHE": "", "XDG_CACHE_HOME": ""}, Path.home() / ".cache" / "hemenet_lab"),
        ({}, Path.home() / ".cache" / "hemenet_lab"),
    ],
)
def test_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: Path
) -> None:
    monkeypatch.delenv("HEMENET_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == expected
