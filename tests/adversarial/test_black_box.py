"""Square, few-pixel and patch attacks: counts, places, ranges, controls, reproducibility."""

import numpy as np
import pytest
import torch
from torch import nn

from practicals.adversarial import attacks, one_pixel, patch, square


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(5 * 8 * 10, 4)
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def batch(net):
    torch.manual_seed(1)
    x = attacks.rounded(torch.rand(10, 3, 10, 12))
    return x, net(x).argmax(1)


class Counting(nn.Module):
    """Counts the pictures that a network is asked."""

    def __init__(self, net):
        super().__init__()
        self.net, self.asked = net, 0
        self.eval()

    def forward(self, x):
        self.asked += len(x)
        return self.net(x)


def test_the_square_shrinks_as_published():
    """At 10,000 queries the share halves after 10, 50, 200, 1,000, 2,000, 4,000, 6,000, 8,000."""
    at = [1, 10, 11, 51, 201, 1001, 2001, 4001, 6001, 8001, 10_000]
    halved = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert [square.share(q, 10_000, 0.8) for q in at] == [0.8 / 2**k for k in halved]
    assert square.share(6, 5000, 0.8) == 0.4


def test_square_stays_in_the_ball_counts_its_queries_and_tells_the_truth(net, batch):
    x, y = batch
    counting = Counting(net)
    found, used = square.run(counting, x, y, 16 / 255, 60, 0.3, seed=1)
    assert attacks.distances(x, found)["linf"].max() <= 16 / 255 + 1e-6
    wrong = (net(found).argmax(1) != y).numpy()
    assert (wrong == (used > 0)).all() and 0 < wrong.sum() < len(x)
    assert counting.asked == np.where(used > 0, used, 60).sum()


def test_square_gets_no_gradient(batch):
    class Opaque(nn.Module):
        def forward(self, x):
            assert not torch.is_grad_enabled()
            return torch.stack([x.mean((1, 2, 3)), 1 - x.mean((1, 2, 3))], 1)

    square.run(Opaque().eval(), batch[0], torch.zeros(10, dtype=torch.long), 0.1, 5)


def test_a_misread_picture_needs_one_query(net, batch):
    x, y = batch
    _, used = square.run(net, x, (y + 1) % 4, 1 / 255, 5)
    assert (used >= 1).all() and used.min() == 1


def test_children_are_the_paper_s_formula_of_three_others():
    size = 5
    # Powers of four: which parents a child has can be read from its value.
    parents = (4.0 ** torch.arange(size)).view(1, size, 1, 1).expand(2, -1, 1, 5)
    for seed in range(20):
        made = one_pixel.children(parents, torch.Generator().manual_seed(seed))
        for row in range(2):
            for i in range(size):
                fits = [
                    (a, b, c)
                    for a in range(size)
                    for b in range(size)
                    for c in range(size)
                    if made[row, i, 0, 0] == 4.0**a + 0.5 * (4.0**b - 4.0**c)
                ]
                assert len(fits) == 1 and len({i, *fits[0]}) == 4


def test_pasting_changes_the_named_pixels_alone():
    x = torch.rand(3, 6, 9)
    candidates = torch.tensor([[[2.9, 7.2, 255.0, 0.0, 51.0], [0.0, 0.0, 10.0, 20.0, 30.0]]])
    made = one_pixel.paste(x, candidates)[0]
    assert torch.allclose(made[:, 2, 7], torch.tensor([1.0, 0.0, 0.2]))
    assert torch.allclose(made[:, 0, 0] * 255, torch.tensor([10.0, 20.0, 30.0]))
    changed = (made != x).any(0)
    assert changed.sum() == 2


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("evolve", [True, False])
def test_few_pixel_queries_are_counted_and_success_is_true(net, batch, k, evolve):
    x, y = batch
    search = one_pixel.Search(k, 20, 6, evolve, seed=2)
    best, used = one_pixel.run(net, x, y, search)
    made = torch.cat([one_pixel.paste(x[i], best[i : i + 1]) for i in range(len(x))])
    wrong = (net(made).argmax(1) != y).numpy()
    assert (wrong == (used > 0)).all() and wrong.any()
    assert attacks.distances(x, made)["l0"].max() <= k
    assert used.max() <= 120 and (used != 0).all()
    torch.testing.assert_close(made * 255, (made * 255).round(), rtol=0, atol=1e-4)


class Slope(nn.Module):
    """Trusts class 0 the less the nearer one red pixel lies to a place; is never fooled."""

    def forward(self, x):
        rows, columns = torch.arange(40.0)[:, None], torch.arange(40.0)
        weight = torch.exp(-((rows - 27) ** 2 + (columns - 9) ** 2) / 200)
        found = (x[:, 0] * weight - 0.5 * x[:, 1] - 0.5 * x[:, 2]).sum((1, 2))
        return torch.stack([2 - found, torch.zeros_like(found)], 1)


def test_evolution_beats_chance_at_equal_queries_on_a_smooth_slope():
    net, x, y = Slope().eval(), torch.zeros(12, 3, 40, 40), torch.zeros(12, dtype=torch.long)

    def trust(evolve, seed):
        best, used = one_pixel.run(net, x, y, one_pixel.Search(1, 40, 30, evolve, seed))
        assert (used == -1).all()
        made = torch.cat([one_pixel.paste(x[i], best[i : i + 1]) for i in range(len(x))])
        return net(made).softmax(1)[:, 0]

    # 48 pairs: one seed's twelve may say anything from 9 to 11.
    bred, drawn = (torch.cat([trust(evolve, s) for s in range(4)]) for evolve in (True, False))
    assert (bred < drawn).float().mean() > 0.65 and bred.mean() < drawn.mean() - 0.005


def test_the_first_generation_is_common_to_evolution_and_control(net, batch):
    runs = [one_pixel.run(net, *batch, one_pixel.Search(1, 30, 1, e, 5)) for e in (True, False)]
    assert torch.equal(runs[0][0], runs[1][0]) and (runs[0][1] == runs[1][1]).all()


def test_targets_are_reached_or_not(net, batch):
    x, y = batch
    target = (y + 1) % 4
    best, used = one_pixel.run(net, x, y, one_pixel.Search(5, 20, 8), target)
    made = torch.cat([one_pixel.paste(x[i], best[i : i + 1]) for i in range(len(x))])
    assert ((net(made).argmax(1) == target).numpy() == (used > 0)).all() and (used > 0).any()


@pytest.mark.parametrize("bad", [{"pixels": 0}, {"population": 3}, {"generations": 0}])
def test_searches_that_mean_nothing_are_refused(bad):
    with pytest.raises(ValueError, match="population ≥ 4"):
        one_pixel.Search(**bad)


def centre(n, size=0.5, turn=0.0, x=0.0, y=0.0):
    return patch.Places(*(torch.full((n,), v) for v in (x, y, size, turn)))


def test_a_patch_lies_where_it_should():
    x, sticker = torch.zeros(1, 3, 40, 40), torch.rand(3, 20, 20)
    laid = patch.paste(x, sticker, centre(1))
    expected = sticker * patch.disc(20)
    torch.testing.assert_close(laid[0, :, 10:30, 10:30], expected, rtol=1e-4, atol=1e-5)
    outside = laid[0].clone()
    outside[:, 10:30, 10:30] = 0
    assert (outside == 0).all()
    moved = patch.paste(x, sticker, centre(1, x=0.25, y=-0.5))
    torch.testing.assert_close(moved[0, :, 0:20, 15:35], expected, rtol=1e-4, atol=1e-5)


def test_a_quarter_turn_turns_the_patch():
    x, sticker = torch.zeros(1, 3, 40, 40), torch.rand(3, 20, 20)
    turned = patch.paste(x, sticker, centre(1, turn=torch.pi / 2))[0, :, 10:30, 10:30]
    either = [torch.rot90(sticker * patch.disc(20), k, (1, 2)) for k in (1, 3)]
    assert min((turned - e).abs().max() for e in either) < 1e-3


def test_patches_lie_inside_the_picture_and_have_their_size():
    places = patch.anywhere(200, (0.2, 0.6), torch.Generator().manual_seed(0))
    laid = patch.paste(torch.zeros(200, 3, 50, 50), torch.ones(3, 30, 30), places)[:, 0]
    share = laid.mean((1, 2))
    expected = torch.pi * (places.size / 2) ** 2
    torch.testing.assert_close(share, expected, rtol=0.12, atol=0.003)
    with pytest.raises(ValueError, match="smallest ≤ largest"):
        patch.anywhere(1, (0.5, 0.2), torch.Generator())


def test_training_raises_the_target_and_leaves_the_network(net):
    torch.manual_seed(0)
    x = torch.rand(12, 3, 10, 12)
    before = [p.clone() for p in net.parameters()]
    sticker, history = patch.train(net, x, 2, 6, 60, (0.4, 0.8), seed=0, batch_size=8)
    assert sticker.shape == (3, 6, 6) and sticker.min() >= 0 and sticker.max() <= 1
    assert np.mean(history[-10:]) > np.mean(history[:10])
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    places = patch.anywhere(12, (0.7, 0.7), torch.Generator().manual_seed(1))
    plain = patch.success(net, x, torch.full((3, 6, 6), 0.5), 2, places)
    assert patch.success(net, x, sticker, 2, places).sum() >= plain.sum()
