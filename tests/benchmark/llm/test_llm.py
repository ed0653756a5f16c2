"""The language model's row: what it is asked, what its answers are worth, and what is recorded."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.benchmark import LLMOptions, grid_table, run_llm
from hemenet_lab.benchmark.llm.answers import AnswerLog, Client, ServerRefuses, read_answer
from hemenet_lab.benchmark.llm.questions import Question, questions
from hemenet_lab.cli import hemenet
from hemenet_lab.protein_mt.splits import chain_sequences
from hemenet_lab.store import Store
from hemenet_lab.tasks import LBA, PPA
from hemenet_lab.tracking import RunDatabase
from tests.benchmark.llm.chat_server import ChatServer, chatting
from tests.store.small_store import small_store

pytest.importorskip("openai")
ROOT = Path(__file__).resolve().parents[3]
NUMBER = re.compile(r'"pKd": ([\d.]+)')


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with chatting() as state:
        yield state


@pytest.fixture
def runs(tmp_path: Path, empty_database: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    return folder


@pytest.fixture
def question(tiny_store: Path) -> Question:
    return questions(Store(tiny_store), LBA, "default", 0)[0]


def options(server: ChatServer, runs: Path, **more: Any) -> LLMOptions:
    return LLMOptions("tiny-llm", server.url, folder=str(runs), **more)


def run(store: Path, given: LLMOptions, said: list[str] | None = None) -> int:
    said = [] if said is None else said
    client = Client(given.model, given.base_url, retries=2)
    return run_llm(
        str(store),
        given,
        confirm=lambda text: not said.append(text),
        client=client,
        say=said.append,
    )


# --- questions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [LBA, PPA], ids=lambda task: task.name)
def test_prompts_show_examples_sequences_and_smiles_and_no_ids(task: Any, tiny_store: Path) -> None:
    store = Store(tiny_store)
    found = questions(store, task, "default", 0)
    labelled = store.labelled[:, [t.name for t in store.tasks].index(task.name)]
    assert [q.entry for q in found] == np.flatnonzero(labelled & (store.split() == 2)).tolist()
    with (tiny_store / "ligands.csv").open() as stream:
        smiles = {row["id"]: row["smiles"] for row in csv.DictReader(stream)}
    for question in found:
        entry = store[question.entry]
        system, user = (message["content"] for message in question.messages)
        assert "-log10" in system and "mol/L" in system  # noqa: PT018 - one sentence
        assert len(NUMBER.findall(user)) == 3
        last = user[user.rindex("Question") :]
        assert all(sequence in last for sequence in chain_sequences(entry))
        assert f"{question.target:.2f}" not in last
        if task is LBA:
            assert smiles[entry.id] in last
            assert "Second protein" not in user
        else:
            assert "Second protein" in last
            assert "SMILES" not in user
        text = (system + user).lower()
        names = [*store.ids, *entry.chain_uniprot]
        assert not [name for name in names if name and name.lower() in text]


def with_tables(store: Store, kin: dict[str, str]) -> Store:
    """The store with SMILES, and with a cluster of its own for each entry that has none in kin."""
    smiles = "".join(f"{name},C\n" for name in store.ids)
    clusters = "".join(f"{name},A,{kin.get(name, name)}\n" for name in store.ids)
    (store.path / "ligands.csv").write_text(f"id,smiles\n{smiles}")
    (store.path / "chains.csv").write_text(f"id,chain,cluster\n{clusters}")
    return Store(store.path)


def shown(question: Question) -> list[str]:
    return NUMBER.findall(question.messages[1]["content"])


def test_examples_are_seeded_spread_and_no_kin(tmp_path: Path) -> None:
    store = with_tables(small_store(tmp_path / "store", 90), {})
    train = np.flatnonzero(store.labelled[:, 0] & (store.split() == 0))
    value = {store.ids[int(index)]: store[int(index)].values["lba"] for index in train}
    thirds = np.array_split(np.sort([*value.values()]), 3)
    drawn = set()
    for seed in range(4):
        first, again = (questions(store, LBA, "default", seed) for _ in range(2))
        assert [question.hash for question in first] == [question.hash for question in again]
        assert len({question.hash for question in first}) == len(first)
        assert len({tuple(shown(question)) for question in first}) == 1  # the same for all
        for text, third in zip(shown(first[0]), thirds, strict=True):
            assert third.min() <= float(text) <= third.max()
        drawn.add(tuple(shown(first[0])))
    assert len(drawn) > 1
    first, *others = questions(store, LBA, "default", 0)
    example = shown(first)[1]
    near = next(name for name, number in value.items() if f"{number:.2f}" == example)
    changed, *rest = questions(with_tables(store, {first.id: "1", near: "1"}), LBA, "default", 0)
    assert shown(changed)[::2] == shown(first)[::2]
    assert shown(changed)[1] != example
    assert [question.hash for question in rest] == [question.hash for question in others]
    every = dict.fromkeys(value, "1") | {first.id: "1"}
    with pytest.raises(ValueError, match="only 0 training items share no sequence cluster with"):
        questions(with_tables(store, every), LBA, "default", 0)


def test_a_store_without_smiles_is_told(tiny_store: Path, tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("edges", "ligands.csv")
    copy = shutil.copytree(tiny_store, tmp_path / "store", ignore=ignored)
    with pytest.raises(ValueError, match=r"no SMILES of the ligand of .* build the store again"):
        questions(Store(copy), LBA, "default", 0)


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "failure"),
    [
        ('{"pKd": 6.5}', 6.5, ""),
        ('Sure!\n```json\n{"pKd": 7}\n```', 7.0, ""),
        ('first {"pKd": 3} then {"pKd": 4}', 4.0, ""),
        ("about 6.5", None, "no JSON object"),
        ("", None, "no JSON object"),
        ('{"pKd": 6.5', None, "no JSON object"),
        ("{6.5}", None, "no JSON object"),
        ('{"pKd": "6.5"}', None, "no number pKd"),
        ('{"pKd": true}', None, "no number pKd"),
        ('{"pKd": NaN}', None, "no number pKd"),
        ('{"affinity": 6}', None, "no number pKd"),
        ('{"pKd": 16}', None, "between 0 and 15, not 16"),
        ('{"pKd": -1}', None, "between 0 and 15, not -1"),
    ],
)
def test_reading_answers(text: str, value: float | None, failure: str) -> None:
    found, why = read_answer(text)
    assert found == value
    assert failure in why


def test_one_retry_tells_what_was_wrong(server: ChatServer, question: Question) -> None:
    server.replies = ['{"pKd": 99}']
    answer = Client("m", server.url).ask("lba", question)
    assert (answer.value, answer.failure, answer.answers) == (
        6.0,
        "",
        ('{"pKd": 99}', '{"pKd": 6.0}'),
    )
    assert (answer.input_tokens, answer.output_tokens) == (200, 20)
    assert "between 0 and 15, not 99" in server.requests[1]["messages"][-1]["content"]
    assert server.requests[0]["temperature"] == 0
    server.always = "I cannot say"
    answer = Client("m", server.url, temperature=None).ask("lba", question)
    assert answer.value is None
    assert answer.failure == "That is no JSON object"
    assert len(server.requests) == 4
    assert "temperature" not in server.requests[-1]


def test_a_busy_server_is_asked_again(server: ChatServer, question: Question) -> None:
    server.replies = [429, 500, 429]
    assert Client("m", server.url).ask("lba", question).value == 6.0
    assert len(server.requests) == 4


@pytest.mark.parametrize("fault", [429, 500, 401, 404, "broken"])
def test_a_server_that_does_not_answer_stops_all(
    server: ChatServer, question: Question, fault: Any
) -> None:
    server.always = fault
    with pytest.raises(ServerRefuses, match="start the same command again"):
        Client("m", server.url, retries=1).ask("lba", question)


def test_a_prompt_that_is_too_long_is_a_failure(server: ChatServer, question: Question) -> None:
    server.always = 400
    answer = Client("m", server.url).ask("lba", question)
    assert answer.value is None
    assert "refuses the prompt" in answer.failure


def test_openai_needs_a_key(monkeypatch: pytest.MonkeyPatch, server: ChatServer) -> None:
    with pytest.raises(ValueError, match="set the environment variable OPENAI_API_KEY"):
        Client("gpt")
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(ValueError, match=r"pip install 'hemenet-lab\[llm\]'"):
        Client("gpt", server.url)


def test_a_log_that_was_cut_off(tmp_path: Path, server: ChatServer, question: Question) -> None:
    client = Client("m", server.url)
    answer = client.ask("lba", question)
    path = tmp_path / "llm" / "log.jsonl"
    AnswerLog(path, client).add(answer)
    with path.open("a") as stream:
        stream.write('{"model": "m", "prom')
    log = AnswerLog(path, client)
    assert log.of(question) == answer
    log.add(answer)
    assert json.loads(path.read_text().splitlines()[-1])["item"] == question.id
    others = ("m2", server.url), ("m", server.url + "/2"), ("m", server.url, 1.0)
    for other in (Client(*words) for words in others):
        assert AnswerLog(path, other).known == {}


# --- runs -----------------------------------------------------------------------------------------


def test_from_questions_to_the_table(tiny_store: Path, runs: Path, server: ChatServer) -> None:
    store = Store(tiny_store)
    found = questions(store, LBA, "default", 0) + questions(store, PPA, "default", 0)
    server.replies = ["no", "no again"]  # the first question's two answers
    said: list[str] = []
    given = options(server, runs, price_in=2.0, price_out=10.0, max_cost=100.0)
    assert run(tiny_store, given, said) == 0
    assert said[0].startswith(f"{len(found)} questions to tiny-llm, about")
    assert "US dollars" in said[0]
    assert len(server.requests) == len(found) + 1
    [lba] = [r for r in RunDatabase.open(runs).of_grid("table1") if r.choices["task"] == "lba"]
    assert lba.finished
    assert lba.choices == {"encoder": "llm", "setting": "single", "task": "lba"}
    assert lba.metrics["llm/failures"] == 1
    train = store.labelled[:, 0] & (store.split() == 0)
    mean = np.mean([store[int(index)].values["lba"] for index in np.flatnonzero(train)])
    predictions = lba.predictions("lba")
    items = len(predictions.items)
    np.testing.assert_allclose(
        predictions.prediction[:, 0], [mean, *[6.0] * (items - 1)], rtol=1e-6
    )
    wanted = np.sqrt(np.mean((predictions.prediction - predictions.target) ** 2))
    result = lba.result("lba", "rmse")
    assert result is not None
    assert result.value == pytest.approx(wanted, rel=1e-5)
    table = grid_table(ROOT / "experiments/table1.yaml", resolve=None, options=_folder(runs))
    assert "llm" in table
    assert "2.347" in table  # the paper's
    # all is known now: nothing is asked, nothing recorded twice
    before = len(server.requests)
    assert run(tiny_store, given, said) == 0
    assert len(server.requests) == before
    assert len(RunDatabase.open(runs).of_grid("table1")) == 2
    assert "recorded before" in said[-1]


def _folder(runs: Path) -> Any:
    from hemenet_lab.benchmark import GridOptions

    return GridOptions(folder=str(runs))


def test_it_goes_on_after_the_server_was_down(
    tiny_store: Path, runs: Path, server: ChatServer
) -> None:
    given = options(server, runs, tasks=("lba",))
    server.replies = ['{"pKd": 5}']
    server.always = 500
    with pytest.raises(ServerRefuses):
        run(tiny_store, given)
    assert not RunDatabase.open(runs).of_grid("table1")
    server.always = '{"pKd": 7}'
    assert run(tiny_store, given) == 0
    [made] = RunDatabase.open(runs).of_grid("table1")
    values = made.predictions("lba").prediction[:, 0].tolist()
    assert values == [5.0, *[7.0] * (len(values) - 1)]


def test_what_it_may_cost(tiny_store: Path, runs: Path, server: ChatServer) -> None:
    said: list[str] = []
    prices = {"tasks": ("lba",), "price_in": 1e4, "price_out": 0.0}
    with pytest.raises(ValueError, match=r"more than --max-cost 0.01; choose fewer"):
        run(tiny_store, options(server, runs, **prices, max_cost=0.01))
    assert server.requests == []
    server.tokens = (10**6, 0)  # far more than was estimated
    assert run(tiny_store, options(server, runs, **prices, max_cost=9000.0), said) == 1
    assert len(server.requests) == 1
    assert said[-1].startswith("Stopped at 10000.00 US dollars (--max-cost 9000)")
    with pytest.raises(ValueError, match="--max-cost needs --price-in and --price-out"):
        LLMOptions("m", max_cost=1.0)


def test_the_command_asks_before_it_starts(
    tiny_store: Path, runs: Path, server: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["benchmark", "llm", str(tiny_store), "--model", "m", "--base-url", server.url]
    words += ["--folder", str(runs), "--tasks", "ppa"]
    assert hemenet(words) == 1
    caught = capsys.readouterr()
    assert "questions to m, about" in caught.out
    assert "the cost is not known" in caught.out
    assert "give --yes to start" in caught.err
    assert server.requests == []
    assert hemenet([*words, "--yes"]) == 0
    assert "ppa, seed 0: rmse" in capsys.readouterr().out
    assert hemenet([*words, "--tasks", "ec"]) == 2
    assert "--tasks ec: allowed are lba, ppa" in capsys.readouterr().err
