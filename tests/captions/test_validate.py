"""Every rule finds what it is for, and leaves sound captions alone."""

import pytest

from tbpsbench.annotations import read_annotations
from tbpsbench.captions.validate import Rules, check, clip_tokens, tidy

SOUND = "A young woman with long brown hair wears a white T-shirt with a red print, blue jeans and black sneakers."


def names(text, rules=None, finish="stop"):
    return {reason.partition(":")[0] for reason in check(text, rules or Rules(), finish).reasons}


def test_a_sound_caption():
    verdict = check(SOUND, Rules())
    assert verdict.ok
    assert verdict.slots == ("age", "hair", "lower", "sex", "shoes", "upper")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("A man.", "short"),
        (SOUND + " He also wears" + " a hat" * 130 + ".", "long"),
        (SOUND.removesuffix("."), "cut"),
        (SOUND + "\nShe carries a bag.", "markup"),
        ("<p>" + SOUND, "markup"),
        ("**Caption** " + SOUND, "markup"),
        ("<think>What do I see?</think> " + SOUND, "reasoning"),
        ("Okay, let me describe her. " + SOUND, "reasoning"),
        ("I'm sorry, but I cannot help with that request about a person.", "refusal"),
        ("As an AI language model, I see " + SOUND, "refusal"),
        ("Here is the description: " + SOUND, "boilerplate"),
        (SOUND + " Her bag is not visible.", "boilerplate"),
        ("The image shows " + SOUND.lower(), "picture"),
        ("!" * 120, "empty"),
        (SOUND + " aaaaaaaaaaaa.", "run"),
        (SOUND + " " + SOUND, "repetition"),
        ("A man wears a red coat a red coat a red coat a red coat a red coat a red coat.", "repetition"),
        (SOUND + " The man carries a black backpack.", "contradiction"),
        (SOUND + " She has short black hair.", "contradiction"),
        (SOUND + " Her jeans are tight and she wears black jeans.", "contradiction"),
        (SOUND + " She wears no hat.", "absent"),
        ("Somebody stands there and waits for something else to happen.", "coverage"),
        ("一位年轻女子穿着白色衬衫和蓝色牛仔裤。她背着黑色的包。一位年轻女子", "letters"),
    ],
)
def test_what_is_wrong(text, reason):
    assert reason in names(text)


def test_a_reply_that_reached_its_longest_length_is_cut():
    assert names(SOUND, finish="length") == {"cut"}


def test_styles_may_write_lists_and_speak_of_the_picture():
    rules = Rules(min_words=3, about_picture=True, sentences=False)
    assert check("person: young man; hair: short red hair; top: navy coat; shoes: black boots", rules).ok
    assert check("I am looking for a tall man with grey hair, last seen in a red coat and brown boots.", rules).ok


@pytest.mark.parametrize("side", ["identity", "clothing"])
def test_each_side_without_a_word_of_the_other(side):
    who, worn = "A tall young man with short red hair.", "A navy coat, blue jeans and brown boots."
    mine, others = (who, worn) if side == "identity" else (worn, who)
    rules = Rules(min_words=3, min_slots=1, side=side)
    assert check(mine, rules).ok
    assert names(others, rules) >= {"side"}
    assert names(f"{mine} {others}", rules) == {"side"}


def test_a_slot_map_decides_whose_the_hair_is():
    rules = Rules(min_words=2, min_slots=1, side="clothing", sides={"hair": "clothing"})
    assert check("Short red hair and a navy coat.", rules).ok
    assert names("Short red hair and a navy coat.", Rules(2, min_slots=1, side="clothing")) == {"side"}


def test_length_is_counted_in_clips_tokens():
    text = " ".join(f"zxqv{number}kj" for number in range(60)) + "."
    assert clip_tokens(text) > 248
    assert names(text) >= {"long"}
    assert "long" not in names(SOUND)
    assert "long" in names(SOUND, Rules(max_tokens=12))


def test_tidy():
    assert tidy(' "A man\x00 in  a\tred coat."\n') == "A man in a red coat."
    assert tidy("<|im_start|>A man <|image_pad|>in red.<|im_end|>") == "A man in red."
    assert tidy('He said "no" and "yes"') == 'He said "no" and "yes"'


def test_descriptions_of_minipedes_are_sound(mini):
    for record in read_annotations(mini / "tiny-0" / "descriptions.jsonl").records:
        for caption in record.captions:
            verdict = check(caption.text, Rules(2, min_slots=1, side=caption.role))
            assert verdict.ok, (caption.text, verdict.reasons)
