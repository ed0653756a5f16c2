"""Affinities by a large language model that is shown three examples: the paper's GPT-4 row."""

from hemenet_lab.benchmark.llm.run import LLMOptions, run_llm

__all__ = ["LLMOptions", "run_llm"]
