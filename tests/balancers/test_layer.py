import pytest
from torch import nn

from tbpsbench.balancers.layer import layer_parameters
from tbpsbench.errors import ConfigError


def model():
    blocks = nn.Sequential(nn.Linear(2, 2), nn.GELU(), nn.Linear(2, 2))
    return nn.ModuleDict({"encoder": nn.ModuleDict({"layers": blocks, "norm": nn.LayerNorm(2)}), "act": nn.GELU()})


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        ("encoder.layers.-1", ["encoder.layers.2.weight", "encoder.layers.2.bias"]),
        ("encoder.layers.0", ["encoder.layers.0.weight", "encoder.layers.0.bias"]),
        ("encoder.-1", ["encoder.norm.weight", "encoder.norm.bias"]),
        ("encoder.norm.weight", ["encoder.norm.weight"]),
        (r"layers\.\d\.bias$", ["encoder.layers.0.bias", "encoder.layers.2.bias"]),
    ],
)
def test_module_parameter_or_pattern(layer, found):
    assert list(layer_parameters(model(), layer, "path")) == found


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            "encoder.layer.-1",
            r"no layer is called.*Did you mean 'layers'\? Here encoder has no 'layer', but: layers, norm",
        ),
        ("encoder.layers.3", r"encoder\.layers has no '3', but: 0, 1, 2"),
        ("decoder", r"Did you mean 'encoder'\? Here the model has no 'decoder', but: encoder, act"),
        ("encoder.norm.scale", r"encoder\.norm has no 'scale', but: weight, bias"),
        ("(", "the model has no"),
        ("act", "the layer 'act' has no parameters"),
    ],
)
def test_name_that_matches_nothing_lists_what_exists(layer, message):
    with pytest.raises(ConfigError, match=f"model\\.balancer\\.layer: .*{message}"):
        layer_parameters(model(), layer, "model.balancer.layer")
