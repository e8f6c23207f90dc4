"""What a model is asked in a session; the form of captions/prompts.py, where a prompt's version is its hash."""

from __future__ import annotations

from collections.abc import Mapping

from tbpsbench.captions.prompts import NOT_VISIBLE, QUESTION, QUESTIONS, Prompt

JUDGE = Prompt(
    "judge",
    "Does this description fit the person in the image?\nDescription: {query}\n"
    "What the description leaves out does not matter; what it says must not be otherwise in the image. Answer with Yes "
    "or No alone.",
)
AGGREGATE = Prompt(
    "aggregate",
    "A person is looked for. Here is a query, and what else is known about the same person.\n"
    "Query: {query}\n{answers}\n"
    "Write one fluent query of plain sentences that keeps all that the query says and adds the rest, every thing once. "
    "Add nothing else, do not mention the image, and do not say what is absent or not visible.",
)
REMEMBER = Prompt(
    "remember",
    "You have seen a person, and remember this: {memory}\nSomebody asks you about the person. {question} Answer in one "
    "short sentence from what you remember alone. If you do not remember it, answer only: " + NOT_VISIBLE + ".",
)
PROMPTS: Mapping[str, Prompt] = {
    prompt.name: prompt for prompt in (JUDGE, AGGREGATE, REMEMBER, QUESTION, QUESTIONS)
}  # fmt: skip
