"""`hemenet benchmark llm`: ask for every test item, score the answers, record them as runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from hemenet_lab.benchmark.grids import RUNS
from hemenet_lab.benchmark.llm.answers import (
    ANSWER_TOKENS,
    LETTERS_PER_TOKEN,
    AnswerLog,
    Client,
    Prices,
)
from hemenet_lab.benchmark.llm.questions import EXAMPLES, VERSION, Question, questions
from hemenet_lab.store import SPLIT_NAMES, Store, store_folder
from hemenet_lab.tasks import LBA, PPA, Task

AFFINITIES = (LBA.name, PPA.name)


@dataclass(frozen=True)
class LLMOptions:
    """What is asked of whom.

    Args:
        model: Name of the model at the server.
        base_url: Address of a server that speaks the OpenAI API, such as
            http://localhost:8000/v1; OpenAI's if not given. The key is OPENAI_API_KEY.
        tasks: Affinities.
        split: Split whose test items are asked, with examples of its training items.
        seeds: Seeds 0 to N-1: each draws other examples, and makes a run of its own.
        temperature: Of the answers; null for models that take none.
        price_in: US dollars per million tokens of prompts.
        price_out: US dollars per million tokens of answers.
        max_cost: US dollars at which it stops, those of earlier starts included.
        folder: Where runs are recorded; the answers are in its folder llm.
        grid: The table that the runs belong to.
        row: The row there; give another model another name.
    """

    model: str
    base_url: str = ""
    tasks: tuple[str, ...] = AFFINITIES
    split: str = "default"
    seeds: int = 1
    temperature: float | None = 0.0
    price_in: float | None = None
    price_out: float | None = None
    max_cost: float | None = None
    folder: str = RUNS
    grid: str = "table1"
    row: str = "llm"

    def __post_init__(self) -> None:
        wrong = [name for name in self.tasks if name not in AFFINITIES]
        if wrong or not self.tasks:
            raise ValueError(f"--tasks {' '.join(wrong)}: allowed are {', '.join(AFFINITIES)}")
        if self.seeds < 1:
            raise ValueError(f"--seeds {self.seeds}: give 1 or more")
        if self.max_cost is not None and not self.prices.known:
            raise ValueError(
                "--max-cost needs --price-in and --price-out to know what has been spent"
            )

    @property
    def prices(self) -> Prices:
        """Of tokens."""
        return Prices(self.price_in, self.price_out)


@dataclass(frozen=True)
class _Part:
    """The questions of one task and seed."""

    task: Task
    seed: int
    questions: list[Question]


def run_llm(
    store: str,
    options: LLMOptions,
    *,
    confirm: Callable[[str], bool],
    client: Client | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Ask a language model for the affinities of a store's test items, and record runs of it.

    Answers are kept one by one: the same command goes on where it was. A failure (no number in the
    range in two answers) is scored as the training mean, and counted.

    Args:
        store: Folder of a store, or the name of an installed one.
        options: What is asked of whom.
        confirm: Is shown the estimated cost and returns whether to start.
        client: Asks; made from the options if not given.
        say: Takes each line of progress.

    Returns:
        0, or 1 if it was not started or stopped at the highest cost.
    """
    opened = Store(store_folder(store))
    client = client or Client(options.model, options.base_url, options.temperature)
    wanted = [task for task in opened.tasks if task.name in options.tasks]
    missing = {*options.tasks} - {task.name for task in wanted}
    if missing:
        raise ValueError(f"{opened.path} has no task {', '.join(sorted(missing))}")
    parts = [
        _Part(task, seed, questions(opened, task, options.split, seed))
        for task in wanted
        for seed in range(options.seeds)
    ]
    log = AnswerLog(Path(options.folder) / "llm" / f"{options.row}.jsonl", client)
    new = [q for part in parts for q in part.questions if log.of(q) is None]
    if new and not confirm(estimate(new, options, log.spent(options.prices))):
        return 1
    if not _ask_all(parts, log, client, options, say):
        return 1
    for part in parts:
        _record(opened, part, log, client, options, say)
    return 0


def estimate(found: Sequence[Question], options: LLMOptions, spent: float = 0.0) -> str:
    """What asking will cost, about.

    Args:
        found: The questions that are not answered.
        options: What is asked of whom.
        spent: US dollars of earlier starts.

    Raises:
        ValueError: Together that is more than may be spent.
    """
    tokens = sum(question.letters for question in found) / LETTERS_PER_TOKEN
    answers = len(found) * ANSWER_TOKENS
    text = f"{len(found)} questions to {options.model}, about {tokens:,.0f} tokens in"
    text += f" and {answers:,} out"
    if not options.prices.known:
        return f"{text}; the cost is not known (give --price-in and --price-out)"
    cost = options.prices.cost(tokens, answers)
    before = f" after {spent:.2f} before" if spent else ""
    if options.max_cost is not None and spent + cost > options.max_cost:
        raise ValueError(
            f"{text}: about {cost:.2f} US dollars{before}, more than --max-cost "
            f"{options.max_cost:g}; choose fewer tasks or seeds, or a higher limit"
        )
    return f"{text}: about {cost:.2f} US dollars{before}"


def _ask_all(
    parts: Sequence[_Part],
    log: AnswerLog,
    client: Client,
    options: LLMOptions,
    say: Callable[[str], None],
) -> bool:
    """Ask what is not answered; False if the highest cost was reached before the end."""
    for part in parts:
        new = [question for question in part.questions if log.of(question) is None]
        for number, question in enumerate(new, 1):
            spent = log.spent(options.prices)
            if options.max_cost is not None and spent >= options.max_cost:
                say(
                    f"Stopped at {spent:.2f} US dollars (--max-cost {options.max_cost:g}); what "
                    f"was answered is kept in {log.path}"
                )
                return False
            log.add(client.ask(part.task.name, question))
            if number % 50 == 0 or number == len(new):
                say(f"{part.task.name}, seed {part.seed}: {number} of {len(new)} asked")
    return True


def _record(
    store: Store,
    part: _Part,
    log: AnswerLog,
    client: Client,
    options: LLMOptions,
    say: Callable[[str], None],
) -> None:
    """Record a part as a run, unless one of the same answers is there."""
    from hemenet_lab.tracking import Artifact, RunDatabase, Tag, Tracker, results_csv
    from hemenet_lab.training import git_revision, scored_values

    answers = [log.of(question) for question in part.questions]
    known = [answer for answer in answers if answer is not None]
    assert len(known) == len(answers)
    failures = sum(answer.value is None for answer in known)
    settings = {
        "llm": {
            "model": options.model,
            "base_url": client.base_url,
            "temperature": options.temperature,
            "prompt": VERSION,
            "examples": EXAMPLES,
        },
        "model": {"tasks": [part.task.name]},
        "data": {"split": options.split},
        "seed_everything": part.seed,
    }
    text = json.dumps([settings, store.hash, [[a.prompt, a.value] for a in known]], sort_keys=True)
    mark = f"llm-{hashlib.sha256(text.encode()).hexdigest()}"
    where = {"folder": options.folder, "tracking_uri": None}
    done = [run for run in RunDatabase.make(where).of_identity(mark) if run.finished]
    lines = [f"{failures} of {len(known)} answers were none and count as the training mean"]
    if done:
        say(f"{part.task.name}, seed {part.seed}: recorded before, run {done[0].id}; {lines[0]}")
        return
    mean = _training_mean(store, part.task, options.split)
    predicted = np.array([mean if answer.value is None else answer.value for answer in known])
    target = np.array([question.target for question in part.questions])
    entries = np.array([question.entry for question in part.questions])
    results, arrays = scored_values(store, part.task, predicted, target, entries, mean)
    tracker = Tracker(
        run_name=f"{options.row}-single-{part.task.name}-s{part.seed}", folder=options.folder
    )
    tracker.set_tags(
        {
            Tag.IDENTITY: mark,
            Tag.SEED: part.seed,
            Tag.STORE: store.hash,
            Tag.SYNTHETIC: bool(store.manifest.get("synthetic", False)),
            Tag.REVISION: git_revision(),
            Tag.GRID: options.grid,
            Tag.FURTHER: "true",
            Tag.AXIS.of("encoder"): options.row,
            Tag.AXIS.of("setting"): "single",
            Tag.AXIS.of("task"): part.task.name,
        }
    )
    tracker.log_text(yaml.safe_dump(settings), Artifact.CONFIG)
    tracker.log_text("".join(json.dumps(vars(answer)) + "\n" for answer in known), "answers.jsonl")
    tracker.log_text(results_csv(results), Artifact.RESULTS)
    tracker.log_arrays(arrays, Artifact.PREDICTIONS)
    metrics = {f"test/{line.task}/{line.metric}": line.value for line in results}
    numbers = {name: value for name, value in metrics.items() if value is not None}
    numbers |= {f"test/{part.task.name}/n": float(len(known))}
    numbers |= {"llm/failures": float(failures)}
    if options.prices.known:
        numbers["llm/cost"] = sum(options.prices.of(answer) for answer in known)
    tracker.log_metrics(numbers)
    tracker.log_data(str(store.path), store.hash, bool(store.manifest.get("synthetic", False)))
    tracker.set_tags({Tag.COMPLETED: "true"})
    tracker.finalize("success")
    shown = ", ".join(
        f"{line.metric} {line.value:.3f}" for line in results if line.value is not None
    )
    say(f"{part.task.name}, seed {part.seed}: {shown}; {lines[0]}")


def _training_mean(store: Store, task: Task, split: str) -> float:
    """Mean label of the training items."""
    column = [known.name for known in store.tasks].index(task.name)
    chosen = store.labelled[:, column] & (store.split(split) == SPLIT_NAMES.index("train"))
    return float(np.mean([store[int(i)].values[task.name] for i in np.flatnonzero(chosen)]))
