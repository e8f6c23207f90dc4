import pytest

from tbpsbench.config.flat import canonical
from tbpsbench.config.load import load_config
from tbpsbench.config.schema import EvaluationSection, with_defaults
from tbpsbench.config.settings import Settings

CONFIGS = ["configs/mini/two-tower_mini-pedes.py", "configs/rde/rde_tiny_mini-pedes.py"]


@pytest.mark.parametrize("path", CONFIGS)
@pytest.mark.parametrize("options", [[], ["name=mine", "seed=3", "model.losses=dict(itc=dict(type='InfoNCE'))"]])
def test_settings_are_the_config_with_its_defaults(path, options):
    filled = with_defaults(load_config(path, options).values)
    settings = Settings.of(load_config(path, options).values)
    assert canonical(settings.values()) == canonical(filled)
    assert Settings.of(settings.values()) == settings
    assert isinstance(settings.evaluation, EvaluationSection)
    assert settings.name == ("mine" if options else None)


def test_what_is_made_of_settings_is_their_own():
    settings = Settings.of(load_config(CONFIGS[0]).values)
    settings.values()["evaluation"]["ties"] = "stable"
    assert settings.evaluation.ties == "pessimistic"
