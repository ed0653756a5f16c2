"""The families of protein language models that `transformers` holds, and how each reads letters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hemenet_lab.basics import first_line
from hemenet_lab.embeddings.names import READ, SETTINGS, TOKENIZERS, ModelName, own_digest
from hemenet_lab.structures import ONE_LETTER, UNKNOWN_RESIDUE

NEEDS = (
    "protein language models need the package transformers, which is not installed: "
    "pip install 'hemenet-lab[plm]'"
)
WINDOW = 1022
"""Most letters that ESM2 sees at once; it was trained with this length."""


@dataclass(frozen=True)
class Family:
    """What is peculiar to the models of one ``model_type``."""

    shown: str
    """Models of it, for messages."""
    model: str
    """Class in `transformers`, of the encoder alone."""
    tokenizer: str
    adapted: tuple[str, ...]
    """Modules that LoRA adapts: the projections to queries and values."""
    longest: int
    """Most letters at once; a model's config may allow fewer."""
    options: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = {
    "esm": Family(
        *("ESM2, SaProt", "EsmModel", "EsmTokenizer", ("query", "value"), WINDOW),
        {"add_pooling_layer": False},
    ),
    "esmc": Family("ESM-C", "EsmcModel", "EsmcTokenizer", ("q_proj", "v_proj"), 2046),
    # positions are relative, so that memory alone bounds the length
    "t5": Family("ProtT5", "T5EncoderModel", "T5Tokenizer", ("q", "v"), 4096),
}
"""By the ``model_type`` of a config."""
SPELLINGS = (("▁{}", " "), ("{}#", ""), ("{}", ""))
"""How vocabularies spell a residue, and what stands between two: SentencePiece's (ProtT5), SaProt's
with an unknown structure ``#``, and plain letters."""
UNKNOWN = ONE_LETTER[UNKNOWN_RESIDUE]


@dataclass(frozen=True)
class Alphabet:
    """Numbers of a model's tokens."""

    letters: Mapping[str, int]
    """Those of `ONE_LETTER`."""
    before: tuple[int, ...]
    """What the tokenizer puts before a chain."""
    after: tuple[int, ...]
    pad: int
    window: int
    """Most letters at once."""

    def tokens(self, text: str) -> list[int]:
        """Those of a whole chain; letters other than the 20 amino acids are X."""
        unknown = self.letters[UNKNOWN]
        middle = [self.letters.get(letter, unknown) for letter in text]
        return [*self.before, *middle, *self.after]


def adapted_modules(network: Any) -> tuple[str, ...]:
    """Names of the modules of a network that LoRA adapts."""
    return FAMILIES[network.config.model_type].adapted


def load_network(name: ModelName, device: str = "cpu", fetch: bool = True) -> tuple[Any, Alphabet]:
    """The frozen `transformers` model on its device, in float32, and the tokens that it reads.

    Raises:
        ValueError: As `LanguageModel` does.
    """
    try:
        import transformers
        from transformers.utils import logging
    except ImportError as error:
        raise ValueError(NEEDS) from error
    folder = _folder(name, fetch)
    own_digest(folder)  # says what it lacks
    family = _family(name, folder)
    if not hasattr(transformers, family.model):
        raise ValueError(
            f"{name.name} needs {family.model}, which transformers {transformers.__version__} does "
            "not have; install a newer one"
        )
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # of a second's loading; downloads have their own
    try:
        tokenizer = _tokenizer(name, folder, getattr(transformers, family.tokenizer))
        model, report = getattr(transformers, family.model).from_pretrained(
            folder,
            use_safetensors=True,
            output_loading_info=True,
            dtype="float32",
            **family.options,
        )
    except OSError as error:
        raise ValueError(f"{name.name} could not be read ({first_line(error)})") from error
    finally:
        if bars:
            logging.enable_progress_bar()
    missing = sorted(key for key in report["missing_keys"] if "contact_head" not in key)
    if missing:
        raise ValueError(
            f"the file of {name.name} lacks {len(missing)} of the model's weights "
            f"({', '.join(missing[:3])}…); they would be random. Save the whole model"
        )
    alphabet = _alphabet(name, tokenizer, model.config, family)
    return model.eval().requires_grad_(False).to(device), alphabet


def _family(name: ModelName, folder: Path) -> Family:
    """The model's family, of its config; code that it brings along is not looked at."""
    file = folder / "config.json"
    try:
        content = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{name.name} could not be read ({file}: {first_line(error)})") from error
    kind = content.get("model_type")
    if kind in FAMILIES:
        return FAMILIES[kind]
    own = " that needs code of its own, which is never run" if "auto_map" in content else ""
    known = ", ".join(f"{word} ({family.shown})" for word, family in FAMILIES.items())
    raise ValueError(f"{name.name} is a model of the kind {kind!r}{own}; allowed: {known}")


def _tokenizer(name: ModelName, folder: Path, kind: Any) -> Any:
    files = {file.name for file in folder.iterdir()}
    if files.isdisjoint({"tokenizer.json", "vocab.txt"}) and find_spec("sentencepiece") is None:
        raise ValueError(
            f"{name.name} has its tokens in spiece.model alone, which the packages sentencepiece "
            "and protobuf read: pip install sentencepiece protobuf; or save a tokenizer.json where "
            f"they are: `{kind.__name__}.from_pretrained(MODEL).save_pretrained(FOLDER)`"
        )
    return kind.from_pretrained(folder)


def _alphabet(name: ModelName, tokenizer: Any, config: Any, family: Family) -> Alphabet:
    """Numbers of the letters, and of what the tokenizer itself puts around them."""
    vocabulary = tokenizer.get_vocab()
    found = [
        ({letter: form.format(letter) for letter in ONE_LETTER}, between)
        for form, between in SPELLINGS
    ]
    known = [sum(word in vocabulary for word in words.values()) for words, _ in found]
    words, between = found[known.index(max(known))]
    if words[UNKNOWN].endswith("#"):
        words[UNKNOWN] = "##"  # SaProt has no X; residue and structure are both unknown
    unknown = [word for word in words.values() if word not in vocabulary]
    letters = {letter: vocabulary.get(word, -1) for letter, word in words.items()}
    wanted = list(letters.values())
    given = tokenizer(between.join(word.lstrip("▁") for word in words.values()))["input_ids"]
    place = given.index(wanted[0]) if wanted[0] in given else 0
    before, after = given[:place], given[place + len(wanted) :]
    whole = [*before, *wanted, *after] == given
    numbers = {*given, tokenizer.pad_token_id}
    if unknown or not whole or None in numbers or max(numbers) >= config.vocab_size:
        told = f"no tokens {', '.join(unknown)}" if unknown else "a tokenizer of another kind"
        raise ValueError(
            f"{name.name} has {told}; it does not read plain sequences of "
            "amino acids, choose a model such as facebook/esm2_t6_8M_UR50D"
        )
    window = _window(config, family, len(before) + len(after))
    return Alphabet(letters, tuple(before), tuple(after), tokenizer.pad_token_id, window)


def _window(config: Any, family: Family, special: int) -> int:
    """Most letters at once: those that the model has positions for."""
    if config.model_type == "esmc":
        return min(family.longest, config.max_position_embeddings - special)
    if config.model_type == "esm" and config.position_embedding_type == "absolute":
        # positions begin behind the number of the padding token
        free = config.max_position_embeddings - config.pad_token_id - 1
        return min(family.longest, free - special)
    return family.longest


def _folder(name: ModelName, fetch: bool) -> Path:
    """The folder of a model; of the hub's files, those that are read and no others."""
    if name.is_folder:
        return Path(name.name)
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            name.name,
            revision=name.revision,
            allow_patterns=[*READ, *TOKENIZERS, SETTINGS],
            local_files_only=not fetch,
        )
    except (OSError, ValueError) as error:
        how = f"hf download {name.name} --revision {name.revision} --local-dir FOLDER"
        raise ValueError(
            f"the weights of {name.name} are not here ({first_line(error)}); on a machine without "
            f"a network, fetch them elsewhere with `{how}` and copy them here as --model FOLDER, "
            "or copy the hub's cache"
        ) from error
    return Path(found)
