"""Every prompt that a model is asked with, and its version: the first eight digits of the SHA-256 of its text.

A prompt that is changed has another version, which caches, stores and records name. The papers print a few words of
them ("Describe the person in the image", "Rephrase the description using all the above information": CTGI, section 3.1;
"Describe the person's identity", "... clothing": BDAM, section 3.3); the rest is ours. That attributes are named, that
leaving out is allowed and inventing is not, follows the comparison of prompts in the supplement of MLLM4Text-ReID (Tan
et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tbpsbench.files import sha256_bytes

NOT_VISIBLE = "not visible"


@dataclass(frozen=True)
class Prompt:
    """A text with places to fill in.

    Attributes:
        name: what stores and logs call it.
        text: with {places}.
    """

    name: str
    text: str

    @cached_property
    def version(self) -> str:
        """Eight hexadecimal digits of the text's SHA-256."""
        return sha256_bytes(self.text.encode())[:8]

    @property
    def id(self) -> str:
        """Name and version."""
        return f"{self.name}@{self.version}"

    def fill(self, **places: str) -> str:
        """The text with its places filled in."""
        return self.text.format(**places)


STATIC = Prompt(
    "static",
    "Describe the person in the image in one or two sentences. Name sex, hair, upper garment, lower garment and shoes "
    "with their colours. Leave out what is not visible, and do not imagine anything. Do not mention the image, the "
    "background or anything that the person does not wear or have.",
)
QUESTION = Prompt(
    "question",
    "{question} Answer in one short sentence about what can be seen. If it cannot be seen, or there is none, answer "
    "only: " + NOT_VISIBLE + ".",
)
QUESTIONS = Prompt(
    "questions",
    "Answer each question in one short sentence about what can be seen in the image. If something cannot be seen, or "
    "there is none, answer only: " + NOT_VISIBLE + ". Give one line for each question, with its number.\n{questions}",
)
RECONSTRUCT = Prompt(
    "reconstruct",
    "Here is a description of a person, and answers to questions about the same person.\n"
    "Description: {description}\n{answers}\n"
    "Rephrase the description using all the above information: one fluent paragraph of plain sentences that says "
    "everything once, at most {words} words. Add nothing, do not mention questions or the image, and do not say what "
    "is absent.",
)
MASK = Prompt(
    "mask",
    "Replace every word in this sentence that tells who the person is or what they wear or carry (sex, age, hair, "
    'colours, garments, bags, ...) by a vague word such as "person", "garment", "coloured" or "object". Keep order, '
    "punctuation and manner of the sentence. Answer with the sentence alone.\nSentence: {caption}",
)
STYLE = Prompt(
    "style",
    "These sentences describe different persons, with their content made vague. They share a manner of writing.\n"
    "{examples}\n"
    'Describe this manner in one instruction to a writer that begins with "Use", for example: Use a very detailed, '
    "descriptive style. Speak of length, order, form and tone, never of content. Answer with the instruction alone.",
)
IDENTITY = Prompt(
    "dual-identity",
    "Describe the person's identity: {slots}, as far as visible. Say nothing of clothes, shoes, bags, hats, glasses, "
    "objects or the background. {style} Leave out what is not visible, and do not imagine anything. Answer with the "
    "description alone.",
)
CLOTHING = Prompt(
    "dual-clothing",
    "Describe the person's clothing: {slots}, with colours and patterns, as far as visible. Say nothing of sex, age, "
    'body, skin, hair or the background; do not even write "man" or "woman". {style} Leave out what is not visible, '
    "and do not imagine anything. Answer with the description alone.",
)
CAPTION = Prompt(
    "caption",
    "Describe the person in the image: {slots}, as far as visible. {style} Leave out what is not visible, and do not "
    "imagine anything. Answer with the description alone.",
)
IN_WORDS = Prompt("style-in-words", "{instruction}")
BY_EXAMPLES = Prompt(
    "style-by-examples",
    "Write in the manner of these sentences, whose content was made vague and must not be taken over:\n{examples}\n",
)
PROMPTS: Mapping[str, Prompt] = {
    prompt.name: prompt
    for prompt in (
        STATIC, QUESTION, QUESTIONS, RECONSTRUCT, MASK, STYLE, IDENTITY, CLOTHING, CAPTION, IN_WORDS, BY_EXAMPLES,
    )
}  # fmt: skip


def numbered(texts: list[str]) -> str:
    """Texts as lines with numbers."""
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))
