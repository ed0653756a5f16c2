"""Asks a server that speaks the OpenAI API, checks its answers, and keeps each in a log."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hemenet_lab.basics import first_line
from hemenet_lab.benchmark.llm.questions import Message, Question

LOWEST, HIGHEST = 0.0, 15.0
"""pKd that can be: from molar to femtomolar."""
TRANSPORT_RETRIES = 5
"""Of the SDK, with waits that double: after 429, 5xx and lost connections."""
LETTERS_PER_TOKEN = 2.0
"""For the estimate: sequences of amino acids and SMILES make short tokens."""
ANSWER_TOKENS = 20
NEEDS = (
    "questions to a language model need the package openai, which is not installed: "
    "pip install 'hemenet-lab[llm]'"
)
_TOO_LONG = re.compile(r"context|too long|length|tokens", re.IGNORECASE)
_OBJECT = re.compile(r"\{[^{}]*\}")


class ServerRefuses(ValueError):
    """A server that answers none of the questions; what was answered before is in the log."""


@dataclass(frozen=True)
class Prices:
    """US dollars per million tokens; None where unknown."""

    input: float | None = None
    output: float | None = None

    @property
    def known(self) -> bool:
        """Whether costs can be told."""
        return self.input is not None and self.output is not None

    def cost(self, input_tokens: float, output_tokens: float) -> float:
        """US dollars."""
        return ((self.input or 0) * input_tokens + (self.output or 0) * output_tokens) / 1e6

    def of(self, answer: Answer) -> float:
        """US dollars for an answer."""
        return self.cost(answer.input_tokens, answer.output_tokens)


@dataclass(frozen=True)
class Answer:
    """A line of the log."""

    model: str
    base_url: str
    temperature: float | None
    prompt: str
    """SHA-256 of the prompt."""
    task: str
    item: str
    """Id of the entry; the model never sees it."""
    answers: tuple[str, ...]
    """What the model said: once, or twice if the first was none."""
    value: float | None
    """pKd; None for a failure."""
    failure: str
    """Why there is no value; empty if there is one."""
    input_tokens: int
    output_tokens: int
    time: float
    """Seconds since 1970."""


class AnswerLog:
    """Answers in a JSONL file, one line each, written through at once.

    Args:
        path: The file; made when the first answer comes.
        client: The model, server and temperature whose answers count.
    """

    def __init__(self, path: Path, client: Client) -> None:
        self.path = path
        self.known: dict[tuple[str, str], Answer] = {}
        """By prompt and item."""
        asked = client.model, client.base_url, client.temperature
        for record in _records(path):
            if (record.model, record.base_url, record.temperature) == asked:
                self.known[record.prompt, record.item] = record

    def of(self, question: Question) -> Answer | None:
        """The answer to a question, if there is one."""
        return self.known.get((question.hash, question.id))

    def spent(self, prices: Prices) -> float:
        """US dollars for all answers."""
        return sum(prices.of(answer) for answer in self.known.values())

    def add(self, answer: Answer) -> None:
        """Keep an answer."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as stream:
            stream.seek(0, os.SEEK_END)
            if stream.tell() and not _ends_well(stream):
                stream.write(b"\n")  # a line that was cut off by a kill
            stream.write(json.dumps(asdict(answer)).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        self.known[answer.prompt, answer.item] = answer


def _ends_well(stream: Any) -> bool:
    stream.seek(-1, os.SEEK_END)
    return bool(stream.read(1) == b"\n")


def _records(path: Path) -> Iterator[Answer]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            yield Answer(**{**record, "answers": tuple(record["answers"])})
        except (ValueError, TypeError, KeyError):
            continue  # cut off by a kill


class Client:
    """A chat model of a server.

    Args:
        model: Its name there.
        base_url: Address of the server; OpenAI's, or that of OPENAI_BASE_URL, if empty.
        temperature: 0 for the most probable answer; not sent if None.
        retries: How often the SDK tries again when the server is busy or fails.
        timeout: Seconds that it waits for an answer.

    Raises:
        ValueError: The package is not installed, or there is no key for OpenAI's server.
    """

    def __init__(
        self,
        model: str,
        base_url: str = "",
        temperature: float | None = 0.0,
        retries: int = TRANSPORT_RETRIES,
        timeout: float = 120.0,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise ValueError(NEEDS) from error
        self._openai = openai
        key = os.environ.get("OPENAI_API_KEY") or ("none" if base_url else None)
        if key is None:
            raise ValueError(
                "no key for the server: set the environment variable OPENAI_API_KEY, or give the "
                "--base-url of a server that needs none"
            )
        self._client = openai.OpenAI(
            api_key=key, base_url=base_url or None, max_retries=retries, timeout=timeout
        )
        self.model = model
        self.base_url = str(self._client.base_url)
        self.temperature = temperature

    def ask(self, task: str, question: Question) -> Answer:
        """Ask a question, and once more if the answer is none.

        Raises:
            ServerRefuses: The server cannot be reached, stays busy, or knows neither key nor model.
        """
        messages: list[Message] = [*question.messages]
        said: list[str] = []
        value, failure, used = None, "", [0, 0]
        for _ in range(2):
            text, refusal, tokens = self._say(messages)
            used = [used[0] + tokens[0], used[1] + tokens[1]]
            if refusal:  # such as a prompt that is too long for the model
                failure = refusal
                break
            said.append(text)
            value, failure = read_answer(text)
            if value is not None:
                break
            again = f'{failure}. Answer with one JSON object: {{"pKd": NUMBER}}'
            messages += [_message("assistant", text), _message("user", again)]
        return Answer(
            self.model,
            self.base_url,
            self.temperature,
            question.hash,
            task,
            question.id,
            tuple(said),
            value,
            failure,
            used[0],
            used[1],
            time.time(),
        )

    def _say(self, messages: Sequence[Message]) -> tuple[str, str, tuple[int, int]]:
        """Text, or the reason for which this prompt is refused; and tokens in and out."""
        options = {} if self.temperature is None else {"temperature": self.temperature}
        create: Any = self._client.chat.completions.create  # takes plain dicts of two strings
        try:
            reply = create(model=self.model, messages=list(messages), **options)
        except (self._openai.OpenAIError, ValueError) as error:
            if isinstance(error, self._openai.BadRequestError) and _TOO_LONG.search(str(error)):
                return "", f"the server refuses the prompt ({first_line(error)})", (0, 0)
            raise ServerRefuses(
                f"{self.base_url} does not answer for {self.model} ({first_line(error)}); see to "
                "the server, the key and the model's name, then start the same command again: what "
                "was answered is kept"
            ) from error
        usage = getattr(reply, "usage", None)
        tokens = tuple(
            int(getattr(usage, name, 0) or 0) for name in ("prompt_tokens", "completion_tokens")
        )
        choices = getattr(reply, "choices", None) or []
        text = choices[0].message.content if choices else ""
        return text or "", "", (tokens[0], tokens[1])


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def read_answer(text: str) -> tuple[float | None, str]:
    """The pKd of an answer, or None and why it is none.

    The last JSON object of the text counts, so that words and fences around it do no harm.
    """
    found = _OBJECT.findall(text)
    try:
        record = json.loads(found[-1]) if found else None
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return None, "That is no JSON object"
    value = record.get("pKd")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None, "The JSON object has no number pKd"
    if not LOWEST <= value <= HIGHEST:
        return None, f"pKd must be between {LOWEST:g} and {HIGHEST:g}, not {value:g}"
    return float(value), ""
