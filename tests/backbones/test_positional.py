import numpy as np
import pytest
import torch
from golden_files import Golden, clip_towers, each_golden
from torch import nn

from tbpsbench.backbones.positional import resize_grid, stretch_text_positions, stretched_length


def bilinear_by_loops(grid_hwD, to_hw):
    """Half-pixel centres, edges repeated: what align_corners=False means."""
    height, width, depth = grid_hwD.shape
    out = np.zeros((*to_hw, depth))
    for i in range(to_hw[0]):
        for j in range(to_hw[1]):
            y = min(max((i + 0.5) * height / to_hw[0] - 0.5, 0), height - 1)
            x = min(max((j + 0.5) * width / to_hw[1] - 0.5, 0), width - 1)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            top = grid_hwD[y0, x0] * (1 - x + x0) + grid_hwD[y0, x1] * (x - x0)
            low = grid_hwD[y1, x0] * (1 - x + x0) + grid_hwD[y1, x1] * (x - x0)
            out[i, j] = top * (1 - y + y0) + low * (y - y0)
    return out


def stretch_by_loops(rows, keep, factor):
    out = [rows[i] for i in range(keep)]
    for i in range(keep, len(rows)):
        step = rows[i + 1] - rows[i] if i + 1 < len(rows) else rows[i] - rows[i - 1]
        out += [rows[i] + step * k / factor for k in range(factor)]
    return np.stack(out)


@pytest.mark.parametrize(("from_hw", "to_hw"), [((4, 4), (6, 2)), ((4, 4), (4, 4)), ((3, 5), (7, 2)), ((2, 2), (1, 1))])
def test_grid_matches_bilinear_loops(from_hw, to_hw):
    positions = torch.randn(1 + from_hw[0] * from_hw[1], 3, generator=torch.Generator().manual_seed(0))
    resized = resize_grid(positions, to_hw, from_hw)
    expected = bilinear_by_loops(positions[1:].double().numpy().reshape(*from_hw, 3), to_hw)
    np.testing.assert_allclose(resized[1:].numpy(), expected.reshape(-1, 3), rtol=1e-5, atol=1e-6)


def test_grid_matches_torch_interpolate_on_a_square():
    positions = torch.randn(17, 5)
    expected = nn.functional.interpolate(positions[1:].T.reshape(1, 5, 4, 4), size=(8, 3), mode="bilinear")
    assert torch.allclose(resize_grid(positions, (8, 3))[1:], expected[0].flatten(1).T)


def test_same_grid_is_returned_untouched():
    positions = torch.randn(17, 5)
    assert resize_grid(positions, (4, 4)) is positions


def test_rows_before_the_grid_are_kept():
    positions = torch.randn(2 + 9, 4)
    assert torch.equal(resize_grid(positions, (5, 2), prefix=2)[:2], positions[:2])
    assert resize_grid(positions[2:], (5, 2), prefix=0).shape == (10, 4)


def test_leading_axis_is_kept():
    positions = torch.randn(1, 10, 4)
    assert torch.equal(resize_grid(positions, (4, 2))[0], resize_grid(positions[0], (4, 2)))


def test_half_precision_stays_half():
    assert resize_grid(torch.randn(10, 4).half(), (4, 2)).dtype == torch.float16


def test_grid_that_is_no_square_is_refused():
    with pytest.raises(ValueError, match="12 positions after 1 leading"):
        resize_grid(torch.randn(13, 4), (3, 3))
    with pytest.raises(ValueError, match="do not make the grid 3 x 3"):
        resize_grid(torch.randn(13, 4), (4, 4), (3, 3))


@each_golden("irra")
def test_golden_irra_grid(path):
    golden = Golden(path)
    image, _ = clip_towers(golden)
    patch, stride = image["arch"]["patch_size"], image["stride"]
    grid_hw = tuple((size - patch) // stride + 1 for size in image["img_size"])
    expected = golden["init/base_model.visual.positional_embedding"]
    resized = resize_grid(golden.tensor("clip_source_visual_posemb"), grid_hw)
    np.testing.assert_allclose(resized.numpy(), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_77_positions_become_248():
    positions = torch.randn(77, 6, dtype=torch.float64)
    stretched = stretch_text_positions(positions)
    assert stretched.shape == (248, 6)
    assert stretched_length(77) == 248
    np.testing.assert_allclose(stretched.numpy(), stretch_by_loops(positions.numpy(), 20, 4), rtol=1e-12)


@pytest.mark.parametrize(("length", "keep", "factor"), [(10, 3, 2), (5, 0, 3), (7, 5, 1), (6, 4, 5)])
def test_stretching_matches_loops(length, keep, factor):
    positions = torch.randn(length, 2, dtype=torch.float64)
    stretched = stretch_text_positions(positions, keep, factor)
    assert len(stretched) == stretched_length(length, keep, factor)
    np.testing.assert_allclose(stretched.numpy(), stretch_by_loops(positions.numpy(), keep, factor), rtol=1e-12)


def test_old_positions_stay_on_the_stretched_line():
    positions = torch.randn(77, 6)
    stretched = stretch_text_positions(positions)
    assert torch.equal(stretched[:20], positions[:20])
    assert torch.equal(stretched[20::4], positions[20:])


def test_last_positions_continue_the_last_difference():
    ramp = torch.arange(77.0)[:, None]
    stretched = stretch_text_positions(ramp)
    assert stretched[-4:, 0].tolist() == [76.0, 76.25, 76.5, 76.75]


def test_too_few_positions_to_stretch_are_refused():
    with pytest.raises(ValueError, match="cannot stretch 21 positions keeping 20"):
        stretch_text_positions(torch.randn(21, 3))
